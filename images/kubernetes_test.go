package images

import (
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/vision-platform/trainer-agent/cmd/trainer-sandbox/backend"
	"github.com/vision-platform/trainer-agent/cmd/trainer-sandbox/jobtest"
	"github.com/vision-platform/trainer-agent/contract"
)

const manifests = "../deploy/k8s"

// read decodes a manifest; what Kubernetes does not know is an error.
func read[T any](t *testing.T, file string) (out T) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(manifests, file))
	if err == nil {
		err = yaml.UnmarshalStrict(b, &out)
	}
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return out
}

// configMap is the one that the base's kustomization generates.
func configMap(t *testing.T) map[string]string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(manifests, "base", "kustomization.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var k struct {
		ConfigMapGenerator []struct{ Literals []string }
	}
	if err := yaml.Unmarshal(b, &k); err != nil || len(k.ConfigMapGenerator) != 1 {
		t.Fatalf("%v: %+v", err, k)
	}
	values := map[string]string{}
	for _, literal := range k.ConfigMapGenerator[0].Literals {
		name, value, _ := strings.Cut(literal, "=")
		values[name] = value
	}
	return values
}

// pod is the shipped Job as a container: its image, command, security context,
// mounts, limits and environment. Settings are what a platform puts into the
// ConfigMap; only addresses are the test's own, because the network is the
// machine's.
func pod(t *testing.T, settings map[string]string) (*container, corev1.Container) {
	t.Helper()
	job := read[batchv1.Job](t, "base/job.yaml").Spec.Template.Spec
	overlay := read[batchv1.Job](t, "minio/store.yaml").Spec.Template.Spec
	main := job.Containers[0]
	c := newContainer(t, imageOf(strings.TrimPrefix(main.Image, "trainer-")))
	c.command(main.Command, main.Args)
	secure(c, *job.SecurityContext, *main.SecurityContext)
	secrets := map[string]string{"callback-token": token, "access-key-id": shared.Store.AccessKey, "secret-access-key": shared.Store.SecretKey}
	volumes := map[string]corev1.Volume{}
	for _, v := range job.Volumes {
		volumes[v.Name] = v
	}
	for _, m := range main.VolumeMounts {
		mountVolume(c, volumes[m.Name], m, secrets)
	}
	if main.TerminationMessagePath != "/dev/termination-log" {
		c.bind(c.message, main.TerminationMessagePath)
	}
	c.memory(main.Resources.Limits.Memory().Value())
	c.bind(images(t).site, "/opt/site-packages", "ro") // stands for what pip installs where PyPI is reached

	jobID := c.job
	c.env = configMap(t)
	maps.Copy(c.env, settings)
	for _, e := range append(main.Env, overlay.Containers[0].Env...) {
		c.env[e.Name] = valueOf(t, e, secrets)
	}
	c.with("JOB_ID", jobID, "BACKEND_BASE_URL", shared.URL, "S3_ENDPOINT", shared.Store.URL, "AWS_REGION", shared.Store.Env()["AWS_REGION"], "AGENT_METRICS_ADDR", jobtest.FreeAddress(t))
	return c, main
}

// secure applies the security context of the pod and of its container.
func secure(c *container, pod corev1.PodSecurityContext, container corev1.SecurityContext) {
	p := c.spec.Process
	p.User.UID, p.User.GID = uint32(*pod.RunAsUser), uint32(*pod.RunAsGroup)
	p.User.AdditionalGids = []uint32{uint32(*pod.FSGroup)}
	p.NoNewPrivileges = !*container.AllowPrivilegeEscalation
	c.spec.Root.Readonly = *container.ReadOnlyRootFilesystem
	if len(container.Capabilities.Drop) != 1 || container.Capabilities.Drop[0] != "ALL" || pod.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
		c.t.Fatalf("the test confines more than the manifest does: %+v %+v", pod, container)
	}
}

// mountVolume gives a volume as the kubelet does: an emptyDir for everybody with the
// pod's group, a memory-backed one of its size, a secret behind its two links.
func mountVolume(c *container, v corev1.Volume, m corev1.VolumeMount, secrets map[string]string) {
	c.t.Helper()
	group := int(c.spec.Process.User.AdditionalGids[0])
	dir := c.t.TempDir()
	check := func(err error) {
		if err != nil {
			c.t.Fatal(err)
		}
	}
	switch {
	case v.EmptyDir != nil && v.EmptyDir.Medium == corev1.StorageMediumMemory && m.MountPath == "/dev/shm":
		c.shm(v.EmptyDir.SizeLimit.Value())
	case v.EmptyDir != nil:
		check(os.Chown(dir, 0, group))
		check(os.Chmod(dir, 0o777|os.ModeSetgid))
		c.bind(dir, m.MountPath)
		if m.MountPath == "/workspace" {
			c.workspace = dir
		}
	case v.Secret != nil:
		check(os.Chmod(dir, 0o755))
		check(os.Mkdir(filepath.Join(dir, "..1"), 0o755))
		check(os.Symlink("..1", filepath.Join(dir, "..data")))
		for name, value := range secrets {
			file := filepath.Join(dir, "..1", name)
			check(os.WriteFile(file, []byte(value), 0o400))
			check(os.Chown(file, 0, group))
			check(os.Chmod(file, os.FileMode(*v.Secret.DefaultMode)))
			check(os.Symlink(filepath.Join("..data", name), filepath.Join(dir, name)))
		}
		c.bind(dir, m.MountPath, "ro")
	default:
		c.t.Fatalf("a volume that the test does not know: %+v", v)
	}
}

func valueOf(t *testing.T, e corev1.EnvVar, secrets map[string]string) string {
	t.Helper()
	switch {
	case e.ValueFrom == nil:
		return e.Value
	case e.ValueFrom.SecretKeyRef != nil:
		return secrets[e.ValueFrom.SecretKeyRef.Key]
	case e.ValueFrom.FieldRef != nil:
		return "value-of-" + e.ValueFrom.FieldRef.FieldPath
	}
	t.Fatalf("%s: a source that the test does not know", e.Name)
	return ""
}

// small makes the Job's own model and task a matter of seconds.
func small(more ...string) map[string]string {
	settings := map[string]string{"EPOCHS": "1", "IMAGE_SIZE": "64", "BATCH_SIZE": "4", "NUM_WORKERS": "1", "DATASET_ID": datasetOf(contract.TaskObjectDetection)}
	for i := 0; i < len(more); i += 2 {
		settings[more[i]] = more[i+1]
	}
	return settings
}

// The shipped Job with the shipped image, whole: a real YOLO training.
func TestKubernetesJobSucceeds(t *testing.T) {
	t.Parallel()
	c, main := pod(t, small())
	c.start()
	c.until("the training has started", func(calls []backend.Call) bool { return len(backend.Events(calls, contract.EventTrainingStarted)) > 0 })
	for _, probe := range []*corev1.Probe{main.StartupProbe, main.LivenessProbe, main.ReadinessProbe} {
		if err := ask(c.env["AGENT_METRICS_ADDR"], probe.HTTPGet.Path); err != nil {
			t.Errorf("a probe while the training runs: %v", err)
		}
	}
	c.ends(contract.ExitOK).succeeded()
}

// ask is an HTTP probe of the kubelet.
func ask(addr, path string) error {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	response, err := http.Get("http://127.0.0.1:" + port + path)
	if err != nil {
		return err
	}
	_ = response.Body.Close()
	if response.StatusCode >= 400 {
		return fmt.Errorf("%s: %s", path, response.Status)
	}
	return nil
}

// What podFailurePolicy acts on, and what kubectl describe shows.
func TestKubernetesJobFails(t *testing.T) {
	t.Parallel()
	c, _ := pod(t, small("DATASET_ID", "no-such-dataset"))
	c.start().ends(contract.ExitFailed)
	if r := c.termination(); r.Error == nil || r.Error.Code != contract.CodeDatasetNotFound || !strings.Contains(r.Error.Message, "no-such-dataset") {
		t.Errorf("termination message: %+v", r)
	}
}

// A drained node: the kubelet's TERM, in the middle of a real training.
func TestKubernetesJobIsStopped(t *testing.T) {
	t.Parallel()
	c, _ := pod(t, small("EPOCHS", "1000"))
	c.start()
	c.until("an epoch is over", func(calls []backend.Call) bool {
		for _, call := range backend.Accepted(calls, contract.KindHeartbeat) {
			var h contract.Heartbeat
			if call.Decode(&h) == nil && h.Epoch >= 1 && len(h.Metrics) > 0 {
				return true
			}
		}
		return false
	})
	c.signal("TERM")
	c.ends(contract.ExitStopped)
	if r := c.termination(); r.Error == nil || r.Error.Code != contract.CodeStopped || !strings.Contains(strings.Join(c.checkpoints(), " "), "last.pt") {
		t.Errorf("termination message: %+v, checkpoints %v", r, c.checkpoints())
	}
}
