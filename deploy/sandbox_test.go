package deploy

import (
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/vision-platform/trainer-agent/testdata/need"
)

// The jobs of the overlay minio find the sandbox under the names that they look for,
// and in its Secret what they read.
func TestSandboxIsThePlatformThatJobsLookFor(t *testing.T) {
	list := build(t, "k8s/sandbox")
	namespace := find[corev1.Namespace](t, list).Name
	deployment, secret := find[appsv1.Deployment](t, list), find[corev1.Secret](t, list)
	restricted(t, deployment.Spec.Template.Spec)
	ports := map[string]int32{}
	for _, p := range deployment.Spec.Template.Spec.Containers[0].Ports {
		ports[p.Name] = p.ContainerPort
	}
	served := map[string]bool{}
	for _, o := range list {
		service, ok := o.(*corev1.Service)
		if !ok {
			continue
		}
		for name, value := range service.Spec.Selector {
			if deployment.Spec.Template.Labels[name] != value {
				t.Errorf("the Service %s selects %s=%s", service.Name, name, value)
			}
		}
		for _, p := range service.Spec.Ports {
			if ports[p.TargetPort.StrVal] != p.Port {
				t.Errorf("the Service %s leads from %d to %v of %v", service.Name, p.Port, p.TargetPort, ports)
			}
			served[service.Name+"."+namespace+".svc.cluster.local:"+strconv.Itoa(int(p.Port))] = true
		}
	}
	minio := rendered(t, "minio")
	pod := minio.spec(t).Template.Spec
	for _, address := range []string{find[corev1.ConfigMap](t, minio).Data["BACKEND_BASE_URL"], env(pod, "S3_ENDPOINT")} {
		if u, err := url.Parse(address); err != nil || !served[u.Host] {
			t.Errorf("nobody serves %s: %v", address, slices.Sorted(maps.Keys(served)))
		}
	}
	for _, variable := range slices.Concat(pod.Containers[0].Env, deployment.Spec.Template.Spec.Containers[0].Env) {
		if from := variable.ValueFrom; from != nil && from.SecretKeyRef != nil && (from.SecretKeyRef.Name != secret.Name || secret.StringData[from.SecretKeyRef.Key] == "") {
			t.Errorf("%s is not in the Secret %s", variable.Name, secret.Name)
		}
		if name, ok := strings.CutPrefix(variable.Value, "/var/run/secrets/trainer/"); ok && secret.StringData[name] == "" {
			t.Errorf("%s: the Secret %s has no %s", variable.Name, secret.Name, name)
		}
	}
	if profile := find[corev1.Namespace](t, list).Labels["pod-security.kubernetes.io/enforce"]; profile != "restricted" {
		t.Errorf("the namespace enforces %q", profile)
	}
}

// Every case of the acceptance table is an overlay that builds, in a restricted pod
// without a GPU, whose Job goes by the name that the table asks for.
func TestAcceptanceCasesAreWholeOverlays(t *testing.T) {
	need.Program(t, "python3", "apt-get install python3")
	dir := filepath.Join(t.TempDir(), "cases")
	if out, err := exec.Command("python3", "k8s/acceptance/run.py", "--render", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cases, err := os.ReadDir(dir)
	if err != nil || len(cases) < 20 {
		t.Fatalf("%d cases, %v", len(cases), err)
	}
	for _, c := range cases {
		if !c.IsDir() {
			continue // the dataset
		}
		list := build(t, filepath.Join(dir, c.Name()))
		job := find[batchv1.Job](t, list)
		pod := job.Spec.Template.Spec
		restricted(t, pod)
		if job.Name != "trainer-"+c.Name() || job.Namespace != "platform" {
			t.Errorf("%s is the Job %s of %s", c.Name(), job.Name, job.Namespace)
		}
		if v := volume(t, pod, "cases"); v.ConfigMap == nil || v.ConfigMap.Name != "cases-"+c.Name() {
			t.Errorf("%s: %+v", c.Name(), v)
		}
		for _, container := range slices.Concat(pod.InitContainers, pod.Containers) {
			if len(container.Resources.Limits) != 1 || container.Image != "trainer-base:cpu" || !slices.ContainsFunc(container.Env, func(e corev1.EnvVar) bool { return e.Name == "S3_ENDPOINT" }) {
				t.Errorf("%s: the container %s has the image %s and the limits %v", c.Name(), container.Name, container.Image, container.Resources.Limits)
			}
		}
	}
}

// Somebody without a cluster is told what is missing, before anything is built.
func TestDemoSaysWhatIsMissing(t *testing.T) {
	// The interpreter itself: python3 in PATH may be a script that needs other programs.
	out, err := exec.Command(need.Program(t, "python3", "apt-get install python3"), "-c", "import sys; print(sys.executable)").Output()
	if err != nil {
		t.Fatal(err)
	}
	python := strings.TrimSpace(string(out))
	for name, c := range map[string]struct{ kubectl, says string }{
		"no kubectl":            {"", "kubectl is not installed"},
		"no context":            {"exit 1", "no current context: make a cluster first"},
		"a cluster that is off": {`[ "$1" = config ] && echo kind-kind`, "the cluster of the context 'kind-kind' does not answer"},
	} {
		t.Run(name, func(t *testing.T) {
			bin := t.TempDir()
			if c.kubectl != "" {
				if err := os.WriteFile(filepath.Join(bin, "kubectl"), []byte("#!/bin/sh\n"+c.kubectl+"\n"), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			for _, script := range []string{"k8s/demo/run.py", "k8s/acceptance/run.py"} {
				cmd := exec.Command(python, script)
				cmd.Env = []string{"PATH=" + bin}
				if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), c.says) || strings.Contains(string(out), "Traceback") {
					t.Errorf("%s: %v\n%s", script, err, out)
				}
			}
		})
	}
}
