package deploy

import (
	"os"
	"reflect"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

func volume(t *testing.T, pod corev1.PodSpec, name string) corev1.Volume {
	t.Helper()
	i := slices.IndexFunc(pod.Volumes, func(v corev1.Volume) bool { return v.Name == name })
	if i < 0 {
		t.Fatalf("there is no volume %s", name)
	}
	return pod.Volumes[i]
}

// A job of the tier that a laptop runs fits beside everything else on it, and takes
// the image that make images made there.
func TestMinioFitsALaptop(t *testing.T) {
	c := rendered(t, "minio").spec(t).Template.Spec.Containers[0]
	r := c.Resources
	if r.Requests.Cpu().MilliValue() > 1000 || r.Requests.Memory().Value() > 2<<30 || r.Requests.StorageEphemeral().Value() > 5<<30 || r.Limits.Memory().Value() > 6<<30 {
		t.Errorf("%+v", r)
	}
	if len(r.Limits) != 1 {
		t.Errorf("limits %v: a laptop has no GPU", r.Limits)
	}
	if c.Image != "trainer-ultralytics:cpu" || c.ImagePullPolicy != corev1.PullIfNotPresent {
		t.Errorf("image %s, pulled %s", c.Image, c.ImagePullPolicy)
	}
}

func TestCacheIsShared(t *testing.T) {
	v := volume(t, rendered(t, "cache").spec(t).Template.Spec, "cache")
	if v.PersistentVolumeClaim == nil || v.EmptyDir != nil {
		t.Errorf("%+v", v)
	}
}

// What prepare leaves is found by run only with the same image, settings and volumes.
func TestPrepareRunsAsTheTrainingDoes(t *testing.T) {
	pod := rendered(t, "prepare").spec(t).Template.Spec
	first, main := pod.InitContainers[0], pod.Containers[0]
	if !slices.Equal(first.Command, []string{"trainer-agent", "prepare"}) {
		t.Errorf("command %v", first.Command)
	}
	for what, pair := range map[string][2]any{
		"image": {first.Image, main.Image}, "env": {first.Env, main.Env}, "envFrom": {first.EnvFrom, main.EnvFrom},
		"mounts": {first.VolumeMounts, main.VolumeMounts}, "security": {first.SecurityContext, main.SecurityContext},
	} {
		if !reflect.DeepEqual(pair[0], pair[1]) {
			t.Errorf("%s differ:\n%+v\n%+v", what, pair[0], pair[1])
		}
	}
	if len(first.Env) == 0 || len(first.VolumeMounts) == 0 {
		t.Error("the init container has no settings")
	}
}

// The rules of exit codes hold for every container of a pod, not for one by name.
func TestExitCodesAreThoseOfAnyContainer(t *testing.T) {
	for _, rule := range base(t).Spec.PodFailurePolicy.Rules {
		if rule.OnExitCodes != nil && rule.OnExitCodes.ContainerName != nil {
			t.Errorf("%v is of %s alone", rule.OnExitCodes.Values, *rule.OnExitCodes.ContainerName)
		}
	}
}

// The Job's own deadline counts all of its attempts: it never cuts off the last.
func TestDeadlineHoldsEveryAttempt(t *testing.T) {
	for _, overlay := range []string{"base", "nodes"} {
		job := rendered(t, overlay).spec(t)
		pods := int64(1)
		if job.Completions != nil {
			pods = int64(*job.Completions)
		}
		attempts := int64(*job.BackoffLimit)/pods + 1
		if *job.ActiveDeadlineSeconds < attempts*(86400+3600) {
			t.Errorf("%s: %d s for %d attempts", overlay, *job.ActiveDeadlineSeconds, attempts)
		}
	}
}

// The instance's metadata address hands out the node's own credentials.
func TestPolicyKeepsTheMetadataAddressAway(t *testing.T) {
	policy := find[networkingv1.NetworkPolicy](t, build(t, "k8s/network"))
	for _, rule := range policy.Spec.Egress {
		if len(rule.To) == 0 {
			t.Errorf("a rule without an address opens everything: %+v", rule)
		}
		for _, peer := range rule.To {
			if peer.IPBlock != nil && !slices.Contains(peer.IPBlock.Except, "169.254.0.0/16") {
				t.Errorf("%+v", peer.IPBlock)
			}
		}
	}
	labels := rendered(t, "base").spec(t).Template.Labels
	for name, value := range policy.Spec.PodSelector.MatchLabels {
		if labels[name] != value {
			t.Errorf("the policy selects %s=%s, the pods have %v", name, value, labels)
		}
	}
	if !slices.Contains(policy.Spec.PolicyTypes, networkingv1.PolicyTypeEgress) {
		t.Error("nothing is restricted")
	}
}

// The operator's own types are not here: what must hold is that its selector and port are those of the pods.
func TestPodMonitorFindsThePods(t *testing.T) {
	b, err := os.ReadFile("prometheus/podmonitor.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var monitor struct {
		metav1.TypeMeta   `json:",inline"`
		metav1.ObjectMeta `json:"metadata"`
		Spec              struct {
			Selector            metav1.LabelSelector `json:"selector"`
			PodMetricsEndpoints []struct {
				Port     string `json:"port"`
				Path     string `json:"path"`
				Interval string `json:"interval"`
			} `json:"podMetricsEndpoints"`
		} `json:"spec"`
	}
	if err := yaml.UnmarshalStrict(b, &monitor); err != nil {
		t.Fatal(err)
	}
	template := rendered(t, "base").spec(t).Template
	for name, value := range monitor.Spec.Selector.MatchLabels {
		if template.Labels[name] != value {
			t.Errorf("it selects %s=%s, the pods have %v", name, value, template.Labels)
		}
	}
	for _, endpoint := range monitor.Spec.PodMetricsEndpoints {
		if !slices.ContainsFunc(template.Spec.Containers[0].Ports, func(p corev1.ContainerPort) bool { return p.Name == endpoint.Port }) || endpoint.Path != "/metrics" {
			t.Errorf("%+v is no port of the pods", endpoint)
		}
	}
	if monitor.APIVersion != "monitoring.coreos.com/v1" || monitor.Kind != "PodMonitor" || len(monitor.Spec.PodMetricsEndpoints) != 1 {
		t.Errorf("%+v", monitor)
	}
}
