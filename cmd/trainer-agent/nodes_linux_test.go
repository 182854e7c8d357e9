package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/vision-platform/trainer-agent/cmd/trainer-sandbox/backend"
	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/testdata/need"
)

// cluster is one training on two machines: torchrun over gloo, an agent a node.
type cluster struct {
	*network
	nodes []*job
}

func newCluster(t *testing.T, pairs ...string) *cluster {
	t.Helper()
	interpreter := need.Python(t)
	c := &cluster{network: newNetwork(t, 2)}
	api, bucketAddress := c.reach(strings.TrimPrefix(shared.URL, "http://")), c.reach(strings.TrimPrefix(shared.Store.Env()["S3_ENDPOINT"], "http://"))
	id := ""
	for i := range 2 {
		j := newJob(t, "")
		if i > 0 {
			j.id = id
		}
		id = j.id
		j.command = []string{interpreter, filepath.Join(shared.root, "testdata", "trainers", "distributed.py")}
		j.prefix = []string{"ip", "netns", "exec", c.names[i+1]}
		j.with("JOB_ID", id, "BACKEND_BASE_URL", "http://"+api, "S3_ENDPOINT", "http://"+bucketAddress, "FRAMEWORK", "distributed",
			"NNODES", "2", "JOB_COMPLETION_INDEX", strconv.Itoa(i), "MASTER_ADDR", c.address(0), "GLOO_SOCKET_IFNAME", "eth0", "OMP_NUM_THREADS", "1",
			"AGENT_NODE_TIMEOUT", "20s", "AGENT_STOP_GRACE", "6s", "AGENT_FLUSH_TIMEOUT", "30s")
		c.nodes = append(c.nodes, j.with(pairs...))
	}
	return c
}

// train starts both and waits until the training is under way.
func (c *cluster) train(pairs ...string) *cluster {
	for _, j := range c.nodes {
		j.with(append([]string{"SLOW", "1"}, pairs...)...).start()
	}
	c.nodes[0].ready()
	return c
}

func (c *cluster) mustExit(codes ...int) {
	c.t.Helper()
	for i, j := range c.nodes {
		if codes[i] < 0 {
			continue
		}
		if got := j.wait(); got != codes[i] {
			c.t.Errorf("node %d exits with %d, want %d\n%s\n%s", i, got, codes[i], j.stdout.String(), j.stderr.String())
		}
		if left := j.processes(); len(left) > 0 {
			c.t.Errorf("node %d: processes %v outlived the agent", i, left)
		}
	}
}

// failed is the failure of the one done, which must name its machine.
func (c *cluster) failed(code contract.Code, says ...string) {
	c.t.Helper()
	d := c.nodes[0].done()
	if d.Error == nil || d.Error.Code != code {
		c.t.Fatalf("done says %+v, want %s\n%s", d.Error, code, c.nodes[0].stderr.String())
	}
	for _, part := range says {
		if !strings.Contains(*d.ErrorMessage, part) {
			c.t.Errorf("%q does not say %q", *d.ErrorMessage, part)
		}
	}
}

func TestTwoMachinesTrainAsOneJob(t *testing.T) {
	c := newCluster(t)
	for _, j := range c.nodes {
		j.start()
	}
	c.mustExit(0, 0)
	leader := c.nodes[0]
	if got := leader.epochsHeard(); !slices.Equal(got, []int{1, 2, 3}) {
		t.Errorf("heartbeats of epochs %v, want one set", got)
	}
	for _, call := range backend.Accepted(leader.calls(), contract.KindHeartbeat) {
		var h contract.Heartbeat
		if err := call.Decode(&h); err != nil || h.Metrics["rank"] != 0 {
			t.Errorf("a heartbeat of another machine: %s %v", call.Body, err)
		}
	}
	if d := leader.done(); d.Status != contract.StatusSucceeded || d.FinalMetrics["world"] != 2 || d.CheckpointPath == nil {
		t.Errorf("done: %+v", d)
	}
	for _, event := range []contract.EventType{contract.EventAgentStarted, contract.EventDatasetDownloaded, contract.EventTrainingStarted, contract.EventTrainingFinished} {
		if n := len(leader.events(event)); n != 1 {
			t.Errorf("%d %s events, want 1", n, event)
		}
	}
	if got := leader.objects("checkpoints/job-" + leader.id + "/"); !slices.Equal(got, []string{"last.pt", "manifest.json"}) {
		t.Errorf("checkpoints: %v", got)
	}
	for rank := range 2 {
		if log := string(leader.object(contract.NodeLogKey(leader.id, rank))); !strings.Contains(log, fmt.Sprintf("rank %d of 2 epoch 3 sum 1.0", rank)) {
			t.Errorf("the log of node %d: %q", rank, log)
		}
	}
	if r := c.nodes[1].result(); r.Status != contract.StatusSucceeded || r.ExitCode != 0 {
		t.Errorf("node 1's own result: %+v", r)
	}
}

// What Kubernetes does then is to start all again: they resume together.
func TestKilledMachineStopsAllAndTheNextRunResumes(t *testing.T) {
	c := newCluster(t).train()
	c.nodes[0].until("a checkpoint is saved", savedLast(3))
	c.nodes[1].killAll()
	c.mustExit(contract.ExitInfra, -1)
	c.failed(contract.CodeNodeLost, "Node 1", "lost")
	for _, j := range c.nodes {
		j.workspace = t.TempDir()
		j.with("SLOW", "", "EPOCHS", "5", "WORKSPACE_DIR", j.workspace).start()
	}
	c.mustExit(0, 0)
	if got := c.nodes[0].epochsHeard(); !slices.Equal(got, []int{1, 2, 3, 4, 5}) {
		t.Errorf("heartbeats of epochs %v", got)
	}
	if n := len(c.nodes[0].events(contract.EventTrainingResumed)); n != 1 {
		t.Errorf("%d training_resumed events", n)
	}
}

func TestKilledLeaderStopsAll(t *testing.T) {
	c := newCluster(t).train("AGENT_NODE_TIMEOUT", "6s")
	c.nodes[0].killAll()
	c.mustExit(-1, contract.ExitInfra)
	if r := c.nodes[1].result(); r.Error == nil || r.Error.Code != contract.CodeNodeLost || !strings.Contains(r.Error.Message, "Node 0") {
		t.Errorf("node 1's own result: %+v", r.Error)
	}
}

func TestMachineThatLosesItsNetworkStopsAll(t *testing.T) {
	c := newCluster(t).train("AGENT_NODE_TIMEOUT", "6s")
	c.unplug(1)
	c.mustExit(contract.ExitInfra, contract.ExitInfra)
	c.failed(contract.CodeNodeLost, "Node 1", "lost")
	if r := c.nodes[1].result(); r.Error == nil || r.Error.Code != contract.CodeNodeLost || !strings.Contains(r.Error.Message, "Node 0") || len(r.NotUploaded) != 1 {
		t.Errorf("node 1's own result: %+v %+v", r, r.Error)
	}
}

func TestFailureOnAnotherMachineIsNamed(t *testing.T) {
	c := newCluster(t, "FAIL_ON_RANK", "1")
	for _, j := range c.nodes {
		j.start()
	}
	c.mustExit(contract.ExitFailed, contract.ExitFailed)
	c.failed(contract.CodeTrainingFailed, "On Node 1", "ValueError", "rank 1 of 2 is told to fail")
}

// Node 0's training saves and leaves in whatever way when it is asked to stop, because
// another machine has failed: that is no success. Script and dataset are those of
// deploy/k8s/acceptance, which does the same on a real cluster.
func TestWorkersEndIsNoSuccessHoweverNodeZeroAnswersTheStop(t *testing.T) {
	acceptance, dataset := filepath.Join(shared.root, "deploy", "k8s", "acceptance"), filepath.Join(t.TempDir(), "rendered")
	if out, err := exec.Command("python3", filepath.Join(acceptance, "run.py"), "--render", dataset).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	archive, err := os.ReadFile(filepath.Join(dataset, "acceptance.zip"))
	if err == nil {
		err = shared.Put("datasets/acceptance.zip", archive)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		onTerm, how string
		code        contract.Code
		exit        int
	}{
		{"exit0", "", "", contract.ExitOK},
		{"exit0", "cuda", contract.CodeCUDAOOM, contract.ExitFailed},
		{"exit1", "exit1", contract.CodeTrainingFailed, contract.ExitFailed},
		{"exit143", "killed", contract.CodeTrainingFailed, contract.ExitInfra},
		{"ignore", "cuda", contract.CodeCUDAOOM, contract.ExitFailed},
	} {
		t.Run(c.how+" "+c.onTerm, func(t *testing.T) {
			cl := newCluster(t, "CASE_ON_TERM", c.onTerm, "CASE_FAIL", c.how, "CASE_SECONDS", "0.2", "EPOCHS", "1000", "FRAMEWORK", "acceptance", "DATASET_ID", "acceptance")
			for _, j := range cl.nodes {
				j.command = []string{"python3", filepath.Join(acceptance, "train.py")}
				if c.how == "" {
					j.with("EPOCHS", "3")
				}
				j.start()
			}
			cl.mustExit(c.exit, c.exit)
			if c.code == "" {
				if d := cl.nodes[0].done(); d.Status != contract.StatusSucceeded || !slices.Equal(cl.nodes[0].epochsHeard(), []int{1, 2, 3}) {
					t.Errorf("done: %+v", d)
				}
				return
			}
			cl.failed(c.code, "On Node 1")
			if r := cl.nodes[1].result(); r.Status != contract.StatusFailed {
				t.Errorf("node 1's own result: %+v", r)
			}
		})
	}
}

func TestMachineThatIsAskedToStopStopsAll(t *testing.T) {
	c := newCluster(t).train()
	_ = c.nodes[1].cmd.Process.Signal(syscall.SIGTERM)
	c.mustExit(contract.ExitStopped, contract.ExitStopped)
	c.failed(contract.CodeStopped, "On Node 1")
}
