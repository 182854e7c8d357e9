package deploy

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
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
var overlays = []string{"base", "minio", "cloud", "nodes", "kueue", "jobset"}

// objects is a rendered overlay, each document decoded strictly.
type objects []any

func rendered(t *testing.T, overlay string) (list objects) {
	t.Helper()
	got, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), "k8s/"+overlay)
	if err != nil {
		t.Fatal(err)
	}
	b, err := got.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	for _, document := range bytes.Split(b, []byte("\n---\n")) {
		list = append(list, strict(t, overlay, document))
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

func TestSeveralMachinesFindEachOther(t *testing.T) {
	for overlay, master := range map[string]string{"nodes": "trainer-0.trainer", "kueue": "trainer-0.trainer", "jobset": "trainer-node-0-0.trainer"} {
		job := rendered(t, overlay).spec(t)
		n := *job.Completions
		if *job.CompletionMode != batchv1.IndexedCompletion || n < 2 || *job.Parallelism != n {
			t.Errorf("%s: %+v", overlay, job)
		}
		pod := job.Template.Spec
		if env(pod, "NNODES") != strconv.Itoa(int(n)) || env(pod, "MASTER_ADDR") != master || pod.Subdomain != "trainer" {
			t.Errorf("%s: NNODES=%s MASTER_ADDR=%s subdomain %s", overlay, env(pod, "NNODES"), env(pod, "MASTER_ADDR"), pod.Subdomain)
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

// A pod's name in the DNS is NAME-INDEX.SERVICE only while all of these agree.
func TestHeadlessServiceNamesThePods(t *testing.T) {
	list := rendered(t, "nodes")
	job, service := find[batchv1.Job](t, list), find[corev1.Service](t, list)
	if service.Spec.ClusterIP != corev1.ClusterIPNone || !service.Spec.PublishNotReadyAddresses {
		t.Errorf("%+v", service.Spec)
	}
	if service.Name != job.Spec.Template.Spec.Subdomain || service.Spec.Selector[batchv1.JobNameLabel] != job.Name {
		t.Errorf("service %s of %v, job %s, subdomain %s", service.Name, service.Spec.Selector, job.Name, job.Spec.Template.Spec.Subdomain)
	}
	if want := fmt.Sprintf("%s-0.%s", job.Name, service.Name); env(job.Spec.Template.Spec, "MASTER_ADDR") != want {
		t.Errorf("MASTER_ADDR is not %s", want)
	}
	// Every pod of a failed run counts, so that as many runs are tried as on one machine.
	if one := find[batchv1.Job](t, rendered(t, "base")); *job.Spec.BackoffLimit != *one.Spec.BackoffLimit**job.Spec.Completions {
		t.Errorf("backoffLimit %d of %d pods", *job.Spec.BackoffLimit, *job.Spec.Completions)
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
	if name := set.Name + "-" + set.Spec.ReplicatedJobs[0].Name + "-0-0." + set.Spec.Network.Subdomain; name != env(list.spec(t).Template.Spec, "MASTER_ADDR") {
		t.Errorf("node 0 is at %s", name)
	}
	if !*set.Spec.Network.EnableDNSHostnames || !*set.Spec.Network.PublishNotReadyAddresses || *list.spec(t).BackoffLimit != 0 {
		t.Errorf("%+v", set.Spec)
	}
	policy := set.Spec.FailurePolicy
	if policy.MaxRestarts != 6 || len(policy.Rules) != 1 || policy.Rules[0].Action != jobset.FailJobSet || !slices.Contains(policy.Rules[0].OnJobFailureReasons, batchv1.JobReasonPodFailurePolicy) {
		t.Errorf("exit codes %d and %d do not end the set: %+v", contract.ExitFailed, contract.ExitUndelivered, policy)
	}
}
