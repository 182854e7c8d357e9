package kube

import (
	"fmt"
	"path"
	"strconv"
	"time"

	"github.com/vision-platform/trainer-agent/trainers/kit/runner"
)

const (
	inVolume    = "in"
	outVolume   = "out"
	proofFolder = "/trainer-proof" // in pods
	nameLabel   = "app.kubernetes.io/name"
	partLabel   = "app.kubernetes.io/managed-by"
	jobLabel    = "trainer-hub/proof" // the Job's name
	ownerLabel  = "trainer-hub/owner"
	appName     = "trainer-proof"

	// fetching is how long a pod may take to be placed, to have its image pulled and its files
	// fetched, and to send files back: time that is not the package's.
	fetching = 15 * time.Minute
	// afterwards is how long Kubernetes keeps the Job of a hub that never comes again.
	afterwards = 10 * time.Minute
	tmpSize    = "512Mi"
	shmSize    = "1Gi"
	// spare is what the step and the files in memory take beside the command's own memory.
	spare = 256 << 20
)

// Settings are the operator's.
type Settings struct {
	Namespace      string // of the pods
	Image          string // NAME@sha256:…, with a Python
	RuntimeClass   string // "" for the cluster's own
	UserNamespaces bool   // pods whose root is none on the node (hostUsers: false)
	Intake         string // http://IP:PORT by which pods reach this hub
}

// object is a part of a manifest.
type object = map[string]any

// job is a manifest; its labels are the pod's too.
type job struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Metadata   metadata `json:"metadata"`
	Spec       object   `json:"spec"`
}

// fetch is what the first container runs: it gets the tar and unpacks it. The image has a
// Python, and needs nothing else for it.
const fetch = `import sys, tarfile, urllib.request
try:
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(sys.argv[1], timeout=60) as answer:
        with tarfile.open(fileobj=answer, mode="r|") as files:
            files.extractall(sys.argv[2], **({"filter": "fully_trusted"} if hasattr(tarfile, "data_filter") else {}))
except (OSError, tarfile.TarError) as error:
    sys.exit(f"fetching the files from the hub: {error}")
`

// newJob describes the Job of one command. user is nobody else's on its node; size is what
// the files take.
func newJob(s Settings, name, owner, address string, user int, size int64, c runner.Command, limits runner.Limits) job {
	labels := map[string]string{nameLabel: appName, partLabel: "trainer-hub", jobLabel: name, ownerLabel: owner}
	mounts := []object{
		{"name": inVolume, "mountPath": proofFolder, "subPath": stepFolder, "readOnly": true}, {"name": "tmp", "mountPath": "/tmp"}, {"name": "shm", "mountPath": "/dev/shm"},
	}
	for _, p := range inputs(c) {
		mounts = append(mounts, object{"name": p.volume, "mountPath": p.path, "subPath": p.name, "readOnly": p.volume == inVolume})
	}
	restricted := object{"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": object{"drop": []string{"ALL"}}}
	disk := quantity(size + limits.Disk + spare)
	sizes := object{"cpu": "1", "memory": quantity(limits.Memory + spare), "ephemeral-storage": disk}
	pod := object{
		"restartPolicy": "Never", "automountServiceAccountToken": false, "enableServiceLinks": false, "terminationGracePeriodSeconds": 5,
		"dnsPolicy": "None", "dnsConfig": object{"nameservers": []string{"127.0.0.1"}}, // there is nobody to look for
		"securityContext": object{"runAsNonRoot": true, "runAsUser": user, "runAsGroup": user, "fsGroup": user, "seccompProfile": object{"type": "RuntimeDefault"}},
		"initContainers": []object{{
			"name": "fetch", "image": s.Image, "command": []string{"python3", "-I", "-c", fetch, address, proofFolder}, "securityContext": restricted,
			"resources":    object{"requests": sizes, "limits": sizes},
			"volumeMounts": []object{{"name": inVolume, "mountPath": path.Join(proofFolder, inVolume)}, {"name": outVolume, "mountPath": path.Join(proofFolder, outVolume)}},
		}},
		"containers": []object{{
			"name": "step", "image": s.Image, "command": []string{path.Join(proofFolder, stepFile), "step", proofFolder}, "securityContext": restricted,
			"env":       []object{{"name": IntakeVariable, "value": address}},
			"resources": object{"requests": sizes, "limits": sizes}, "volumeMounts": mounts,
		}},
		"volumes": []object{
			{"name": inVolume, "emptyDir": object{}}, {"name": outVolume, "emptyDir": object{"sizeLimit": disk}},
			{"name": "tmp", "emptyDir": object{"medium": "Memory", "sizeLimit": tmpSize}}, {"name": "shm", "emptyDir": object{"medium": "Memory", "sizeLimit": shmSize}},
		},
	}
	if s.RuntimeClass != "" {
		pod["runtimeClassName"] = s.RuntimeClass
	}
	if s.UserNamespaces {
		pod["hostUsers"] = false
	}
	return job{"batch/v1", "Job", metadata{Name: name, Labels: labels}, object{
		"backoffLimit": 0, "activeDeadlineSeconds": int((limits.Time + fetching).Seconds()), "ttlSecondsAfterFinished": int(afterwards.Seconds()),
		"template": object{"metadata": object{"labels": labels}, "spec": pod},
	}}
}

// quantity is a number as Kubernetes writes it.
func quantity(n int64) string { return strconv.FormatInt(n, 10) }

func selector(label, value string) string { return fmt.Sprintf("%s=%s", label, value) }
