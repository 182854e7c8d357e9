package manifest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

func TestShippedFilesAreThoseOfDeploy(t *testing.T) {
	for name, origin := range map[string]string{"job.yaml": "base", "indexed.yaml": "nodes", "service.yaml": "nodes"} {
		want, err := os.ReadFile(filepath.Join("..", "..", "..", "deploy", "k8s", origin, name))
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := shipped.ReadFile(name); !bytes.Equal(got, want) {
			t.Errorf("%s is not deploy/k8s/%s's: run go generate ./cmd/trainer-agent/manifest", name, origin)
		}
	}
}

func options() Options {
	return Options{
		JobID: "Job_1", Name: Name("Job_1"), Image: "registry/trainer-timm:1.4", GPUs: 1, Nodes: 1, Secret: "job-secret",
		Env:     []Variable{{"JOB_ID", "Job_1"}, {"EPOCHS", "3"}, {"CONFIG_JSON", `{"a": "b: # c"}`}, {"HOME", "/workspace"}},
		Secrets: []string{"AWS_SECRET_ACCESS_KEY", "CALLBACK_TOKEN"},
	}
}

// decoded is what Write writes, each document decoded strictly.
func decoded(t *testing.T, o Options) (job batchv1.Job, service corev1.Service) {
	t.Helper()
	var out bytes.Buffer
	if err := Write(&out, o); err != nil {
		t.Fatal(err)
	}
	for _, document := range strings.Split(out.String(), "\n---\n") {
		var target any = &job
		if strings.Contains(document, "kind: Service\n") {
			target = &service
		}
		if err := yaml.UnmarshalStrict([]byte(document), target); err != nil {
			t.Fatalf("%v\n%s", err, document)
		}
	}
	return job, service
}

func base(t *testing.T) (job batchv1.Job) {
	t.Helper()
	b, _ := shipped.ReadFile("job.yaml")
	if err := yaml.UnmarshalStrict(b, &job); err != nil {
		t.Fatal(err)
	}
	return job
}

func environment(pod corev1.PodSpec) map[string]string {
	env := map[string]string{}
	for _, e := range pod.Containers[0].Env {
		env[e.Name] = e.Value
	}
	return env
}

// Whatever the job says nothing about is the base's.
func TestJobFollowsTheBase(t *testing.T) {
	got, want := decodedJob(t, options()), base(t)
	if got.Name != Name("Job_1") || got.Spec.Template.Spec.Containers[0].Image != "registry/trainer-timm:1.4" {
		t.Errorf("%s %s", got.Name, got.Spec.Template.Spec.Containers[0].Image)
	}
	if !reflect.DeepEqual(got.Spec.PodFailurePolicy, want.Spec.PodFailurePolicy) || *got.Spec.ActiveDeadlineSeconds != *want.Spec.ActiveDeadlineSeconds {
		t.Errorf("%+v", got.Spec)
	}
	pod, of := &got.Spec.Template.Spec, &want.Spec.Template.Spec
	for _, v := range of.Volumes {
		if v.Secret != nil {
			v.Secret.SecretName = "job-secret"
		}
	}
	env := environment(*pod)
	for name, value := range environment(*of) {
		if name != "HOME" && env[name] != value {
			t.Errorf("%s=%q, want %q", name, env[name], value)
		}
	}
	for name, value := range map[string]string{
		"EPOCHS": "3", "CONFIG_JSON": `{"a": "b: # c"}`, "HOME": "/workspace",
		"CALLBACK_TOKEN_FILE": "/var/run/secrets/trainer/callback-token", "AWS_SECRET_ACCESS_KEY_FILE": "/var/run/secrets/trainer/secret-access-key",
	} {
		if env[name] != value {
			t.Errorf("%s=%q, want %q", name, env[name], value)
		}
	}
	pod.Containers[0].Env, of.Containers[0].Env = nil, nil
	pod.Containers[0].Image, of.Containers[0].Image = "", ""
	of.Containers[0].EnvFrom = nil
	if !reflect.DeepEqual(pod, of) {
		t.Errorf("the pod differs from the base's:\n%+v\n%+v", pod, of)
	}
}

func decodedJob(t *testing.T, o Options) batchv1.Job {
	t.Helper()
	job, _ := decoded(t, o)
	return job
}

// Values arrive as they are, whatever YAML or Kubernetes could see in them.
func TestValuesAreTexts(t *testing.T) {
	o := options()
	values := []string{
		"12e3", "5E10", "1_000", "0x1F", "0o17", "0b11", ".5", "1.", "+1", "-3", "1e-3", "12:30:00", "2026-11-22", "Job.1", "http://backend:8000",
		"on", "Off", "y", "NO", "true", "null", "~", ".inf", ".NaN", "=", "<<", "*a", "&a", "!a", "a: b", "a #b", "#a", "- a", "?", "[1]", "{}", "%", "@", "`", "'", `"`, `\n`,
		"a\nb", " a ", "$(JOB_ID)", "$$(X)", "a$", "a$$b", "$$$(X)", "\u00e9", "\u2028",
	}
	for i, v := range values {
		o.Env = append(o.Env, Variable{fmt.Sprint("V", i), v})
	}
	env := environment(decodedJob(t, o).Spec.Template.Spec)
	for i, want := range values {
		if got := expanded(env[fmt.Sprint("V", i)]); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// expanded is what the kubelet makes of a value (EnvVar.value of the API): two
// dollars are one, $(NAME) is a variable.
func expanded(value string) string {
	return regexp.MustCompile(`\$\$|\$\([^)]*\)`).ReplaceAllStringFunc(value, func(found string) string {
		if found == "$$" {
			return "$"
		}
		return "another variable"
	})
}

func TestOptionsAreHonoured(t *testing.T) {
	o := options()
	o.Namespace, o.GPUs, o.CPU, o.Memory, o.ServiceAccount = "training", 0, "8", "32Gi", "trainer"
	o.MaxTraining, o.StopGrace = 2*time.Hour, 100*time.Second
	job := decodedJob(t, o)
	pod := job.Spec.Template.Spec
	if job.Namespace != "training" || *job.Spec.ActiveDeadlineSeconds <= 7200 || *pod.TerminationGracePeriodSeconds <= 100 || pod.ServiceAccountName != "trainer" {
		t.Errorf("%+v", job)
	}
	r := pod.Containers[0].Resources
	if _, gpu := r.Limits["nvidia.com/gpu"]; gpu || r.Requests.Cpu().String() != "8" || r.Limits.Memory().String() != "32Gi" || r.Requests.Memory().String() != "32Gi" {
		t.Errorf("%+v", r)
	}
	if got := r.Requests["ephemeral-storage"]; got.String() != "96Gi" {
		t.Errorf("ephemeral storage %s beside 32Gi of memory", got.String())
	}
	for _, v := range pod.Volumes {
		if v.Name == "shm" && v.EmptyDir.SizeLimit.String() != "16Gi" {
			t.Errorf("/dev/shm of %s beside 32Gi of memory", v.EmptyDir.SizeLimit)
		}
	}
	if want := 7*(2*time.Hour+time.Hour) + 24*time.Hour; *job.Spec.ActiveDeadlineSeconds != int64(want.Seconds()) {
		t.Errorf("%d s for seven attempts of 2 h", *job.Spec.ActiveDeadlineSeconds)
	}
	o.Disk, o.CacheClaim = "200Gi", "trainer-cache"
	pod = decodedJob(t, o).Spec.Template.Spec
	if got := pod.Containers[0].Resources.Requests["ephemeral-storage"]; got.String() != "200Gi" {
		t.Errorf("ephemeral storage %s", got.String())
	}
	for _, v := range pod.Volumes {
		if v.Name == "cache" && (v.PersistentVolumeClaim == nil || v.PersistentVolumeClaim.ClaimName != "trainer-cache" || v.EmptyDir != nil) {
			t.Errorf("%+v", v)
		}
	}
	o.GPUs = 8
	if got := decodedJob(t, o).Spec.Template.Spec.Containers[0].Resources.Limits["nvidia.com/gpu"]; got.String() != "8" {
		t.Errorf("%s GPUs", got.String())
	}
}

func TestSeveralMachines(t *testing.T) {
	o := options()
	o.Nodes, o.Namespace = 3, "training"
	job, service := decoded(t, o)
	pod := job.Spec.Template.Spec
	env := environment(pod)
	if *job.Spec.CompletionMode != batchv1.IndexedCompletion || *job.Spec.Completions != 3 || *job.Spec.Parallelism != 3 || *job.Spec.BackoffLimit != 18 || job.Spec.SuccessPolicy == nil {
		t.Errorf("%+v", job.Spec)
	}
	if env["NNODES"] != "3" || env["MASTER_ADDR"] != "$(JOB_NAME)-0.$(JOB_NAME)" || job.Name != service.Name || pod.Subdomain != service.Name || service.Namespace != "training" {
		t.Errorf("%v, subdomain %s, service %s", env, pod.Subdomain, service.Name)
	}
	if service.Spec.Selector[batchv1.JobNameLabel] != job.Name || len(service.Spec.Selector) != 1 || service.Spec.ClusterIP != corev1.ClusterIPNone {
		t.Errorf("%+v", service.Spec)
	}
	var ports []int32
	for _, p := range pod.Containers[0].Ports {
		ports = append(ports, p.ContainerPort)
	}
	if slices.Sort(ports); !slices.Equal(ports, []int32{9464, 29500, 29600}) {
		t.Errorf("ports %v", ports)
	}
}

func TestSecretKeys(t *testing.T) {
	for variable, want := range map[string]string{"CALLBACK_TOKEN": "callback-token", "R2_SECRET_ACCESS_KEY": "secret-access-key", "PRETRAINED_WEIGHT_URL": "pretrained-weight-url"} {
		if got := SecretKey(variable); got != want {
			t.Errorf("%s: %s", variable, got)
		}
	}
}

// What works on a laptop does not in its cluster.
func TestAddressesOfThisMachineAreNamed(t *testing.T) {
	o := options()
	o.Env = append(o.Env, Variable{"BACKEND_BASE_URL", "http://127.0.0.1:8000"}, Variable{"S3_ENDPOINT", "http://localhost:9000"}, Variable{"HTTPS_PROXY", "http://proxy:3128"})
	var out bytes.Buffer
	if err := Write(&out, o); err != nil || !strings.Contains(out.String(), "nothing answers: BACKEND_BASE_URL, S3_ENDPOINT.\n") {
		t.Errorf("%v\n%s", err, out.String())
	}
	out.Reset()
	if err := Write(&out, options()); err != nil || strings.Contains(out.String(), "nothing answers") {
		t.Errorf("%v\n%s", err, out.String())
	}
}
