package deploy

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	jobset "sigs.k8s.io/jobset/api/jobset/v1alpha2"
	kueue "sigs.k8s.io/kueue/apis/kueue/v1beta1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/vision-platform/trainer-agent/contract"
)

// overlays are what people apply: kubectl apply -k deploy/k8s/NAME.
var overlays = []string{"base", "minio", "cloud", "cache", "prepare", "nodes", "kueue", "jobset", "demo"}

// objects is a rendered overlay, each document decoded strictly.
type objects []any

func rendered(t *testing.T, overlay string) (list objects) {
	t.Helper()
	return build(t, "k8s/"+overlay)
}

func build(t *testing.T, dir string) (list objects) {
	t.Helper()
	got, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		t.Fatal(err)
	}
	b, err := got.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	for _, document := range bytes.Split(b, []byte("\n---\n")) {
		list = append(list, strict(t, dir, document))
	}
	return list
}

func find[T any](t *testing.T, list objects) *T {
	t.Helper()
	var found []*T
	for _, o := range list {
		if typed, ok := o.(*T); ok {
			found = append(found, typed)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d objects of type %T, want 1", len(found), new(T))
	}
	return found[0]
}

// spec is that of the one Job, or of the one in the JobSet.
func (list objects) spec(t *testing.T) batchv1.JobSpec {
	t.Helper()
	for _, o := range list {
		if set, ok := o.(*jobset.JobSet); ok {
			if len(set.Spec.ReplicatedJobs) != 1 || set.Spec.ReplicatedJobs[0].Replicas != 1 {
				t.Fatalf("replicated jobs: %+v", set.Spec.ReplicatedJobs)
			}
			return set.Spec.ReplicatedJobs[0].Template.Spec
		}
	}
	return find[batchv1.Job](t, list).Spec
}

func env(pod corev1.PodSpec, name string) string {
	for _, e := range pod.Containers[0].Env {
		if e.Name == name {
			return e.Value
		}
	}
	return ""
}

// master is MASTER_ADDR as the kubelet expands it: $(NAME) of variables that stand
// before it, of which one is a label that the Job's or JobSet's controller sets.
func master(t *testing.T, pod corev1.PodSpec, labels map[string]string) string {
	t.Helper()
	values := map[string]string{}
	for _, e := range pod.Containers[0].Env {
		value := os.Expand(strings.NewReplacer("$(", "${", ")", "}").Replace(e.Value), func(name string) string {
			if _, before := values[name]; !before {
				t.Errorf("%s uses %s, which does not stand before it", e.Name, name)
			}
			return values[name]
		})
		if e.ValueFrom != nil && e.ValueFrom.FieldRef != nil {
			for label, v := range labels {
				if e.ValueFrom.FieldRef.FieldPath == "metadata.labels['"+label+"']" {
					value = v
				}
			}
		}
		values[e.Name] = value
	}
	return values["MASTER_ADDR"]
}

func TestSeveralMachinesFindEachOther(t *testing.T) {
	for _, overlay := range []string{"nodes", "kueue", "jobset"} {
		job := rendered(t, overlay).spec(t)
		n := *job.Completions
		if *job.CompletionMode != batchv1.IndexedCompletion || n < 2 || *job.Parallelism != n {
			t.Errorf("%s: %+v", overlay, job)
		}
		pod := job.Template.Spec
		if env(pod, "NNODES") != strconv.Itoa(int(n)) {
			t.Errorf("%s: NNODES=%s", overlay, env(pod, "NNODES"))
		}
		if rules := job.SuccessPolicy.Rules; len(rules) != 1 || *rules[0].SucceededIndexes != "0" {
			t.Errorf("%s: node 0 does not decide the success: %+v", overlay, rules)
		}
		var ports []int32
		for _, p := range pod.Containers[0].Ports {
			ports = append(ports, p.ContainerPort)
		}
		for _, want := range []int32{29500, 29600} { // the defaults of MASTER_PORT and AGENT_NODE_PORT
			if !slices.Contains(ports, want) {
				t.Errorf("%s: port %d is not among %v", overlay, want, ports)
			}
		}
	}
}

// A pod's name in the DNS is NAME-INDEX.SERVICE only while all of these agree,
// whatever a kustomization above calls the job.
func TestHeadlessServiceNamesThePods(t *testing.T) {
	for _, list := range []objects{rendered(t, "nodes"), suffixed(t, "nodes", "-a"), suffixed(t, "kueue", "-b")} {
		namesThePods(t, list)
	}
	// Every pod of a failed run counts, so that as many runs are tried as on one machine.
	job, one := rendered(t, "nodes").spec(t), rendered(t, "base").spec(t)
	if *one.BackoffLimit**job.Completions != *job.BackoffLimit {
		t.Errorf("backoffLimit %d of %d pods", *job.BackoffLimit, *job.Completions)
	}
}

func namesThePods(t *testing.T, list objects) {
	t.Helper()
	job, service := find[batchv1.Job](t, list), find[corev1.Service](t, list)
	if service.Spec.ClusterIP != corev1.ClusterIPNone || !service.Spec.PublishNotReadyAddresses {
		t.Errorf("%+v", service.Spec)
	}
	if service.Name != job.Spec.Template.Spec.Subdomain || service.Spec.Selector[batchv1.JobNameLabel] != job.Name {
		t.Errorf("service %s of %v, job %s, subdomain %s", service.Name, service.Spec.Selector, job.Name, job.Spec.Template.Spec.Subdomain)
	}
	want := fmt.Sprintf("%s-0.%s", job.Name, service.Name)
	if got := master(t, job.Spec.Template.Spec, map[string]string{batchv1.JobNameLabel: job.Name}); got != want {
		t.Errorf("MASTER_ADDR is %s, want %s", got, want)
	}
}

// suffixed is an overlay as docs/tiers.md prescribes for each job: with a nameSuffix of its own.
func suffixed(t *testing.T, overlay, suffix string) objects {
	t.Helper()
	dir := t.TempDir()
	here, err := filepath.Abs("k8s/" + overlay)
	if err != nil {
		t.Fatal(err)
	}
	base, err := filepath.Rel(dir, here)
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [%s]\nnameSuffix: %s\n", base, suffix)
	if err := os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return build(t, dir)
}

// No Service of one job selects the pods of another, and none of its names leads to
// another's machines.
func TestTwoJobsShareNothing(t *testing.T) {
	for _, overlay := range overlays {
		seen := map[string]string{}
		for _, suffix := range []string{"-a", "-b"} {
			list := suffixed(t, overlay, suffix)
			pod := list.spec(t).Template.Spec
			shared := map[string]string{"subdomain": pod.Subdomain, "settings": pod.Containers[0].EnvFrom[0].ConfigMapRef.Name}
			for _, o := range list {
				if service, ok := o.(*corev1.Service); ok {
					shared["selector"], shared["service"] = fmt.Sprint(service.Spec.Selector), service.Name
				}
			}
			for what, name := range shared {
				if name != "" && seen[what] == name {
					t.Errorf("%s: both jobs have the %s %s", overlay, what, name)
				}
				seen[what] = name
			}
		}
	}
}

func TestKueueStartsTheJob(t *testing.T) {
	list := rendered(t, "kueue")
	job, queue := find[batchv1.Job](t, list), find[kueue.LocalQueue](t, list)
	if job.Spec.Suspend == nil || !*job.Spec.Suspend || job.Labels["kueue.x-k8s.io/queue-name"] != queue.Name {
		t.Errorf("suspend %v, labels %v, queue %s", job.Spec.Suspend, job.Labels, queue.Name)
	}
}

func TestJobSetStartsAllAgainOrNone(t *testing.T) {
	list := rendered(t, "jobset")
	set := find[jobset.JobSet](t, list)
	// Without a subdomain a JobSet gives its pods its own name as theirs.
	name := set.Name + "-" + set.Spec.ReplicatedJobs[0].Name + "-0-0." + set.Name
	if got := master(t, list.spec(t).Template.Spec, map[string]string{jobset.JobSetNameKey: set.Name}); got != name || set.Spec.Network.Subdomain != "" {
		t.Errorf("MASTER_ADDR is %s, node 0 is at %s", got, name)
	}
	if !*set.Spec.Network.EnableDNSHostnames || !*set.Spec.Network.PublishNotReadyAddresses || *list.spec(t).BackoffLimit != 0 {
		t.Errorf("%+v", set.Spec)
	}
	policy := set.Spec.FailurePolicy
	if policy.MaxRestarts != 6 || len(policy.Rules) != 1 || policy.Rules[0].Action != jobset.FailJobSet || !slices.Contains(policy.Rules[0].OnJobFailureReasons, batchv1.JobReasonPodFailurePolicy) {
		t.Errorf("exit codes %d and %d do not end the set: %+v", contract.ExitFailed, contract.ExitUndelivered, policy)
	}
}
