package deploy

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	jobset "sigs.k8s.io/jobset/api/jobset/v1alpha2"
	kueue "sigs.k8s.io/kueue/apis/kueue/v1beta1"
	"sigs.k8s.io/yaml"

	"github.com/vision-platform/trainer-agent/contract"
)

// kinds that the manifests use; kustomizations are kustomize's own.
var kinds = map[string]func() any{
	"Deployment":            func() any { return new(appsv1.Deployment) },
	"StatefulSet":           func() any { return new(appsv1.StatefulSet) },
	"Role":                  func() any { return new(rbacv1.Role) },
	"RoleBinding":           func() any { return new(rbacv1.RoleBinding) },
	"ResourceQuota":         func() any { return new(corev1.ResourceQuota) },
	"Namespace":             func() any { return new(corev1.Namespace) },
	"Secret":                func() any { return new(corev1.Secret) },
	"ConfigMap":             func() any { return new(corev1.ConfigMap) },
	"NetworkPolicy":         func() any { return new(networkingv1.NetworkPolicy) },
	"PersistentVolumeClaim": func() any { return new(corev1.PersistentVolumeClaim) },
	"Job":                   func() any { return new(batchv1.Job) },
	"JobSet":                func() any { return new(jobset.JobSet) },
	"LocalQueue":            func() any { return new(kueue.LocalQueue) },
	"Service":               func() any { return new(corev1.Service) },
	"ServiceAccount":        func() any { return new(corev1.ServiceAccount) },
}

func manifests(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("k8s/*/*.yaml")
	deeper, errDeeper := filepath.Glob("k8s/*/*/*.yaml")
	if err != nil || errDeeper != nil || len(files) < 5 {
		t.Fatalf("%v: %v %v", files, err, errDeeper)
	}
	return slices.DeleteFunc(append(files, deeper...), func(file string) bool {
		return filepath.Base(file) == "names.yaml" // kustomize's own configuration, which it decodes strictly itself
	})
}

// A field that Kubernetes does not know, or a wrong type, is an error here.
func TestManifestsDecodeStrictly(t *testing.T) {
	for _, file := range manifests(t) {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		strict(t, file, b)
	}
}

// strict decodes one document into the type of its kind.
func strict(t *testing.T, name string, b []byte) any {
	t.Helper()
	var head struct{ Kind string }
	if err := yaml.Unmarshal(b, &head); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	make, known := kinds[head.Kind]
	if !known {
		if head.Kind != "Kustomization" {
			t.Errorf("%s: kind %q has no type in this test", name, head.Kind)
		}
		return nil
	}
	object := make()
	if err := yaml.UnmarshalStrict(b, object); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	return object
}

func base(t *testing.T) batchv1.Job {
	t.Helper()
	b, err := os.ReadFile("k8s/base/job.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var job batchv1.Job
	if err := yaml.UnmarshalStrict(b, &job); err != nil {
		t.Fatal(err)
	}
	return job
}

// podFailurePolicy is the contract's table of exit codes.
func TestPodFailurePolicyFollowsTheContract(t *testing.T) {
	for _, overlay := range overlays {
		t.Run(overlay, func(t *testing.T) { followsTheContract(t, rendered(t, overlay).spec(t)) })
	}
}

func followsTheContract(t *testing.T, job batchv1.JobSpec) {
	t.Helper()
	if *job.PodReplacementPolicy != batchv1.Failed || job.Template.Spec.RestartPolicy != corev1.RestartPolicyNever {
		t.Error("a second pod may run beside the first")
	}
	if first := job.PodFailurePolicy.Rules[0]; first.Action != batchv1.PodFailurePolicyActionIgnore || first.OnPodConditions[0].Type != corev1.DisruptionTarget {
		t.Errorf("an evicted pod fails the job: %+v", first)
	}
	want := map[batchv1.PodFailurePolicyAction][]int32{
		batchv1.PodFailurePolicyActionFailJob: {contract.ExitFailed, contract.ExitUndelivered},
		batchv1.PodFailurePolicyActionCount:   {contract.ExitInfra, contract.ExitStopped},
	}
	for _, rule := range job.PodFailurePolicy.Rules {
		if rule.OnExitCodes == nil {
			continue
		}
		if !slices.Equal(rule.OnExitCodes.Values, want[rule.Action]) {
			t.Errorf("%s: %v, want %v", rule.Action, rule.OnExitCodes.Values, want[rule.Action])
		}
		delete(want, rule.Action)
	}
	if len(want) > 0 {
		t.Errorf("no rule for %v", want)
	}
}

// Times fit into each other: grace below the kubelet's, deadline above the job's limit.
func TestTimesFit(t *testing.T) {
	job := base(t)
	pod := job.Spec.Template.Spec
	var grace time.Duration
	for _, e := range pod.Containers[0].Env {
		if e.Name == "AGENT_STOP_GRACE" {
			grace, _ = time.ParseDuration(e.Value)
		}
	}
	if kubelet := time.Duration(*pod.TerminationGracePeriodSeconds) * time.Second; grace == 0 || grace >= kubelet {
		t.Errorf("AGENT_STOP_GRACE %s, terminationGracePeriodSeconds %s", grace, kubelet)
	}
	if *job.Spec.ActiveDeadlineSeconds <= 86400 {
		t.Errorf("activeDeadlineSeconds %d is not above MAX_TRAINING_TIME_SECONDS", *job.Spec.ActiveDeadlineSeconds)
	}
}

// The restricted profile of the pod security standards, and no secret in the environment.
func TestPodIsRestricted(t *testing.T) {
	pod := base(t).Spec.Template.Spec
	restricted(t, pod)
	for _, e := range pod.Containers[0].Env {
		if strings.Contains(e.Name, "TOKEN") && !strings.HasSuffix(e.Name, "_FILE") {
			t.Errorf("%s stands in the environment", e.Name)
		}
	}
}

// restricted holds every container of a pod against the profile.
func restricted(t *testing.T, pod corev1.PodSpec) {
	t.Helper()
	if !*pod.SecurityContext.RunAsNonRoot || pod.SecurityContext.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
		t.Errorf("not restricted: %+v", pod.SecurityContext)
	}
	for _, c := range slices.Concat(pod.InitContainers, pod.Containers) {
		s := c.SecurityContext
		if *s.AllowPrivilegeEscalation || !*s.ReadOnlyRootFilesystem || !slices.Contains(s.Capabilities.Drop, "ALL") {
			t.Errorf("%s is not restricted: %+v", c.Name, s)
		}
	}
}
