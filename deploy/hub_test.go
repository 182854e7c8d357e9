package deploy

import (
	"os"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

const hubNamespace, proofsNamespace = "trainer-hub", "trainer-hub-proofs"

// The hub's pod is restricted, its probes and its Service lead to ports that it has, and
// every object lies in a namespace that is made and enforces the restricted profile.
func TestHubIsRestrictedAndReached(t *testing.T) {
	list := build(t, "k8s/hub")
	set, service := find[appsv1.StatefulSet](t, list), find[corev1.Service](t, list)
	pod := set.Spec.Template.Spec
	restricted(t, pod)
	if *set.Spec.Replicas != 1 { // one database of its own
		t.Errorf("%d replicas", *set.Spec.Replicas)
	}
	ports := map[string]int32{}
	for _, p := range pod.Containers[0].Ports {
		ports[p.Name] = p.ContainerPort
	}
	for _, probe := range []*corev1.Probe{pod.Containers[0].StartupProbe, pod.Containers[0].ReadinessProbe, pod.Containers[0].LivenessProbe} {
		if ports[probe.HTTPGet.Port.StrVal] != 7070 {
			t.Errorf("a probe asks %v", probe.HTTPGet)
		}
	}
	if path := pod.Containers[0].ReadinessProbe.HTTPGet.Path; path != "/healthz" { // /readyz is about uploads, and there is no other hub to ask
		t.Errorf("the Service leads to the hub while it answers %s", path)
	}
	for name, value := range service.Spec.Selector {
		if set.Spec.Template.Labels[name] != value || set.Spec.Selector.MatchLabels[name] != value {
			t.Errorf("the Service selects %s=%s", name, value)
		}
	}
	if ports[service.Spec.Ports[0].TargetPort.StrVal] != 7070 || set.Spec.ServiceName != service.Name {
		t.Errorf("%+v", service.Spec)
	}
	enforced := map[string]bool{}
	for _, o := range list {
		if n, ok := o.(*corev1.Namespace); ok {
			enforced[n.Name] = n.Labels["pod-security.kubernetes.io/enforce"] == "restricted"
		}
	}
	if !enforced[hubNamespace] || !enforced[proofsNamespace] || len(enforced) != 2 {
		t.Errorf("%v", enforced)
	}
	if find[corev1.ServiceAccount](t, list).Name != pod.ServiceAccountName || set.Namespace != hubNamespace {
		t.Errorf("%+v", pod.ServiceAccountName)
	}
}

// Proofs run where the hub may start them, in the base that images stand on, and send what
// they made to the one address that they reach.
func TestProofsReachTheHubsIntakeOnly(t *testing.T) {
	list := build(t, "k8s/hub")
	pod := find[appsv1.StatefulSet](t, list).Spec.Template.Spec
	role, binding := find[rbacv1.Role](t, list), find[rbacv1.RoleBinding](t, list)
	if role.Namespace != proofsNamespace || binding.Namespace != proofsNamespace || binding.RoleRef.Name != role.Name || binding.Subjects[0].Name != pod.ServiceAccountName || binding.Subjects[0].Namespace != hubNamespace {
		t.Errorf("%+v, %+v", role, binding)
	}
	for _, rule := range role.Rules {
		if slices.Contains(rule.Verbs, "*") || slices.Contains(rule.Resources, "secrets") || slices.Contains(rule.Resources, "*") {
			t.Errorf("the hub may %+v", rule)
		}
	}
	intake := int32(0)
	for _, p := range pod.Containers[0].Ports {
		if p.Name == "intake" {
			intake = p.ContainerPort
		}
	}
	if env(pod, "TRAINER_HUB_ISOLATION") != "kubernetes" || env(pod, "TRAINER_HUB_PROOFS_INTAKE") != "http://$(POD_IP):7071" || intake != 7071 || !*pod.AutomountServiceAccountToken {
		t.Errorf("%+v", pod.Containers[0].Env)
	}
	dockerfile, err := os.ReadFile("../images/Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	if base := env(pod, "TRAINER_HUB_BASE"); !strings.Contains(string(dockerfile), "ARG PYTHON_IMAGE="+base+"\n") {
		t.Errorf("the base %s is not the one that the hub's image has its Python of", base)
	}
	for _, o := range list {
		policy, ok := o.(*networkingv1.NetworkPolicy)
		if !ok || policy.Namespace != proofsNamespace {
			continue
		}
		if len(policy.Spec.PodSelector.MatchLabels) > 0 || len(policy.Spec.Ingress) > 0 || len(policy.Spec.Egress) != 1 || len(policy.Spec.PolicyTypes) != 2 {
			t.Errorf("%+v", policy.Spec)
		}
		out := policy.Spec.Egress[0]
		if len(out.To) != 1 || out.To[0].NamespaceSelector.MatchLabels["kubernetes.io/metadata.name"] != hubNamespace || out.To[0].PodSelector == nil || out.Ports[0].Port.IntVal != intake {
			t.Errorf("%+v", out)
		}
	}
	// Of what a proof asks for (1 CPU, 4 GiB and 256 MiB), two fit.
	quota := find[corev1.ResourceQuota](t, list)
	for name, one := range map[corev1.ResourceName]string{"limits.memory": "4352Mi", "requests.memory": "4352Mi", "requests.cpu": "1"} {
		hard, twice := quota.Spec.Hard[name], resource.MustParse(one)
		twice.Add(resource.MustParse(one))
		if quota.Namespace != proofsNamespace || hard.Cmp(twice) < 0 {
			t.Errorf("%s is %s, and two proofs ask for %s", name, hard.String(), twice.String())
		}
	}
}
