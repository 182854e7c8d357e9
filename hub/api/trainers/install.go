package trainers

// Install is what a job needs to train with a version.
type Install struct {
	Published
	Environment map[string]string `json:"environment" doc:"For the job, beside its settings."`
	PodSpec     map[string]any    `json:"pod_spec,omitempty" doc:"A Kubernetes pod spec; absent where there is no image."`
}

func install(p Published) Install {
	i := Install{Published: p, Environment: map[string]string{
		"FRAMEWORK": p.Name, "TRAINER_NAME": p.Name, "TRAINER_VERSION": p.Version, "TRAINER_DIGEST": p.Image,
	}}
	if p.Image == "" {
		i.Environment["TRAINER_DIGEST"] = p.Bundle
		return i
	}
	env := []map[string]string{}
	for _, name := range []string{"FRAMEWORK", "TRAINER_NAME", "TRAINER_VERSION", "TRAINER_DIGEST"} {
		env = append(env, map[string]string{"name": name, "value": i.Environment[name]})
	}
	empty, resources := map[string]any{}, map[string]any{}
	if p.Requires != nil && p.Requires.Device == "cuda" {
		resources["limits"] = map[string]any{"nvidia.com/gpu": 1}
	}
	i.PodSpec = map[string]any{
		"restartPolicy": "Never", "automountServiceAccountToken": false,
		"securityContext": map[string]any{"runAsNonRoot": true, "runAsUser": 1000, "fsGroup": 1000, "seccompProfile": map[string]any{"type": "RuntimeDefault"}},
		"containers": []map[string]any{{
			"name": "trainer", "image": p.Reference, "env": env, "resources": resources,
			"securityContext": map[string]any{"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": map[string]any{"drop": []string{"ALL"}}},
			"volumeMounts":    []map[string]any{{"name": "workspace", "mountPath": "/workspace"}, {"name": "tmp", "mountPath": "/tmp"}},
		}},
		"volumes": []map[string]any{{"name": "workspace", "emptyDir": empty}, {"name": "tmp", "emptyDir": empty}},
	}
	return i
}
