package agent

import (
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/agent/checkpoints"
	"github.com/vision-platform/trainer-agent/agent/diagnose"
	"github.com/vision-platform/trainer-agent/agent/internal/stage"
	"github.com/vision-platform/trainer-agent/contract"
)

func names(steps []stage.Step) (list []string) {
	for _, s := range steps {
		list = append(list, s.Name)
	}
	return list
}

func TestAJobHasTheStagesThatItNeedsInTheirOrder(t *testing.T) {
	for name, c := range map[string]struct {
		job       contract.JobType
		dataset   string
		nodes     int
		rank      int
		inputs    []string
		uploads   []string
		childhood []string
	}{
		"a training": {contract.JobTraining, "d-1", 1, 0,
			[]string{"the store", "the job's earlier runs", "the dataset", "the conversion", "the weights", "the resume"}, []string{"the checkpoint watch", "the class list"},
			[]string{"the result files", "the relay", "the training", "what preparing took of memory"}},
		"a training without a dataset": {contract.JobTraining, "", 1, 0,
			[]string{"the store", "the job's earlier runs", "the weights", "the resume"}, []string{"the checkpoint watch", "the class list"},
			[]string{"the result files", "the relay", "the training", "what preparing took of memory"}},
		"an inference": {contract.JobInference, "", 1, 0,
			[]string{"the store", "the job's earlier runs", "the checkpoint and images"}, []string{"the checkpoint watch"},
			[]string{"the relay", "the training", "what preparing took of memory"}},
		"a test run": {contract.JobInference, "d-1", 1, 0,
			[]string{"the store", "the job's earlier runs", "the checkpoint and images", "the dataset", "the conversion"}, []string{"the checkpoint watch"},
			[]string{"the relay", "the training", "what preparing took of memory"}},
		"a training on a machine that does not lead": {contract.JobTraining, "d-1", 2, 1,
			[]string{"the store", "the job's earlier runs", "the dataset", "the conversion", "the weights", "the resume"}, nil,
			[]string{"the relay", "the training", "what preparing took of memory"}},
	} {
		cfg := trainingOf(3)
		cfg.Job.Type, cfg.DatasetID, cfg.Nodes, cfg.NodeRank = c.job, c.dataset, c.nodes, c.rank
		l := newLife(&Options{Config: cfg, Log: slog.New(slog.DiscardHandler), Now: time.Now})
		for _, part := range []struct{ got, want []string }{
			{names(l.inputs), c.inputs}, {names(l.uploads), c.uploads}, {names(l.training), c.childhood},
			{names(l.opening), []string{"traces", "the metrics tracker", "the workspace", "the workspace's lock", "the training log", "the outbox", "the configuration", "the isolation",
				"the run marker", "the progress", "what an earlier run left", "the sender"}},
			{names(l.watching), []string{"the announcement", "the resource watch", "the memory watch", "the GPU watch", "the heartbeat", "the metrics endpoint"}},
		} {
			if !slices.Equal(part.got, part.want) {
				t.Errorf("%s: %q, want %q", name, part.got, part.want)
			}
		}
	}
}

func TestTracesMetricsAndTheClassListAreNoReasonToLoseAJob(t *testing.T) {
	l := newLife(&Options{Config: trainingOf(3), Log: slog.New(slog.DiscardHandler), Now: time.Now})
	var optional []string
	for _, s := range slices.Concat(l.opening, l.watching, l.meeting, l.inputs, l.uploads, l.training) {
		if s.Optional {
			optional = append(optional, s.Name)
		}
	}
	if want := []string{"traces", "the metrics tracker", "the metrics endpoint", "the class list"}; !slices.Equal(optional, want) {
		t.Errorf("%q, want %q", optional, want)
	}
}

func TestTheFirstEventNamesThePod(t *testing.T) {
	cfg := trainingOf(3)
	if known := announced(cfg); known["pod"] != nil || known["node"] != nil {
		t.Errorf("of a desk: %v", known)
	}
	cfg.PodName, cfg.NodeName = "trainer-0-x7k2p", "gpu-node-7"
	if known := announced(cfg); known["pod"] != "trainer-0-x7k2p" || known["node"] != "gpu-node-7" {
		t.Errorf("of a pod: %v", known)
	}
}

func TestTheFirstEventNamesTheTrainer(t *testing.T) {
	cfg := trainingOf(3)
	if known := announced(cfg); known["trainer"] != nil {
		t.Errorf("of no hub: %v", known)
	}
	cfg.TrainerName, cfg.TrainerVersion, cfg.TrainerDigest = "cell-counter", "1.0.0", "sha256:00"
	if known := announced(cfg); known["trainer"] != (contract.UsedTrainer{Name: "cell-counter", Version: "1.0.0", Digest: "sha256:00"}) {
		t.Errorf("of a hub: %v", known)
	}
}

// An inference job goes on behind its parts; a test run and an export begin again.
func TestGoingOnIsPromisedOnlyWhenResultsAreStored(t *testing.T) {
	parts := scene{uploads: checkpoints.Summary{Seen: true, Next: checkpoints.NextStartsOver, Artifacts: []contract.Artifact{{Name: "parts/"}, {Name: "xai/"}}}}
	inference, measuring := contract.Job{Type: contract.JobInference, Inference: &contract.InferenceRun{Type: contract.InferenceJob}}, contract.Job{Type: contract.JobInference, Inference: &contract.InferenceRun{Type: contract.InferenceTestRun}}
	for name, c := range map[string]struct {
		job    contract.Job
		resume string
		scene  scene
		want   diagnose.Again
	}{
		"there are results":           {inference, "auto", parts, diagnose.AgainGoesOn},
		"nobody may go on":            {inference, "off", parts, diagnose.AgainAnew},
		"an earlier run may have had": {inference, "auto", scene{uploads: none}, diagnose.AgainUnknown},
		"it measures in one pass":     {measuring, "auto", parts, diagnose.AgainAnew},
		"an export":                   {contract.Job{Type: contract.JobExport, Export: &contract.ExportJob{}}, "auto", scene{uploads: none}, diagnose.AgainAnew},
	} {
		cfg := trainingOf(3)
		cfg.Job, cfg.Resume = c.job, c.resume
		if got := c.scene.again(cfg); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestResumingIsPromisedOnlyWhenSomethingIsStored(t *testing.T) {
	for name, c := range map[string]struct {
		resume string
		scene  scene
		want   diagnose.Again
	}{
		"a checkpoint is stored":            {"auto", scene{uploads: stored}, diagnose.AgainResumes},
		"none is":                           {"auto", scene{uploads: checkpoints.Summary{Seen: true, Next: checkpoints.NextStartsOver}}, diagnose.AgainStartsOver},
		"one is, and nobody may resume":     {"off", scene{uploads: stored}, diagnose.AgainIfAsked},
		"nothing seen, nobody may resume":   {"off", scene{}, diagnose.AgainAnew},
		"it ended before anybody looked":    {"auto", scene{}, diagnose.AgainUnknown},
		"it did, and was resumed itself":    {"auto", scene{resumed: true}, diagnose.AgainResumes},
		"the bucket could not be looked at": {"auto", scene{uploads: none, resumed: true}, diagnose.AgainUnknown},
	} {
		cfg := trainingOf(3)
		cfg.Resume = c.resume
		if got := c.scene.again(cfg); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
