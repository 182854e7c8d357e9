package scan

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/agent/checkpoints/internal/samples"
	"github.com/vision-platform/trainer-agent/agent/checkpoints/naming"
	"github.com/vision-platform/trainer-agent/agent/internal/pyjson"
)

// FuzzNames promises that a training may call its files what it likes: the model beside
// them stays a model, and weights have the ending of weights.
func FuzzNames(f *testing.F) {
	for _, name := range []string{"model", "pytorch_model", "adapter_model", "diffusion_pytorch_model", "model.", "model-", "-", ".", "…", "\xff.pt"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if huggingFaceWeights(name) && (!companion(name) && !naming.Temporary(name) || !strings.HasSuffix(name, ".safetensors") && !strings.HasSuffix(name, ".bin")) {
			t.Errorf("%q are weights", name)
		}
		if id, ok := naming.File("hf/" + name); ok && id.Name == "" {
			t.Errorf("%q is a model without a name", name)
		}
		if naming.Folder("hf/"+name).Name == "" || folderMark(name) && huggingFaceWeights(name) {
			t.Errorf("%q is a folder without a name, or both mark and weights", name)
		}
	})
}

func TestAFileThatIsCalledAsWeightsAreWithoutAnEndingIsNoneOfThem(t *testing.T) {
	dir := t.TempDir()
	samples.Rewrite(t, filepath.Join(dir, "hf/config.json"), []byte("{}"))
	samples.Rewrite(t, filepath.Join(dir, "hf/model.safetensors"), samples.Safetensors(t, 1000, 1))
	for _, name := range []string{"model", "pytorch_model", "adapter_model", "diffusion_pytorch_model"} {
		samples.Rewrite(t, filepath.Join(dir, "hf", name), []byte("x"))
	}
	v, err := Look(dir, false)
	if err != nil || len(v.Faults) > 0 || len(v.Sources) != 1 || v.Sources[0].Rel != "hf" || len(v.Sources[0].Files) != 2 {
		t.Errorf("%v %+v", err, v)
	}
}

// A scanner without a root panics over whatever it opens.
func TestAPanicOverOneFileLeavesTheOthers(t *testing.T) {
	s := scanner{}
	for _, rel := range []string{"a", "b"} {
		s.attempt(rel, func() { s.takeFile(rel) })
	}
	s.attempt("c", func() {})
	if got := s.view.Faults; len(got) != 2 || got[0].Rel != "a" || got[1].Rel != "b" || !strings.Contains(string(got[0].Err.Stack), "takeFile") {
		t.Errorf("%+v", got)
	}
	for range 2 * maxFaults {
		s.attempt("a", func() { s.takeFile("a") })
	}
	if len(s.view.Faults) != maxFaults {
		t.Errorf("%d faults are kept", len(s.view.Faults))
	}
}

// FuzzTrainerState promises an epoch within bounds, and encoding/json's own
// reading of whatever is plain JSON.
func FuzzTrainerState(f *testing.F) {
	for _, s := range []string{
		`{"epoch": 2.0, "global_step": 20, "best_global_step": 10, "best_model_checkpoint": "out/checkpoint-10"}`,
		`{"epoch": NaN, "global_step": 1e3, "log_history": [{"loss": Infinity}, {"loss":-Infinity}]}`,
		`{"epoch": 1e308}`, `{"epoch": -1, "global_step": -5}`, `[[[[`, ``,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var state TrainerState
		err := pyjson.Unmarshal(data, &state)
		if n := state.CompletedEpoch(); n < 0 || n > 1e6 {
			t.Errorf("%q closes epoch %d", data, n)
		}
		if state.IsBest(0) && state.BestDir == "" {
			t.Errorf("%q names a step that it does not have as best", data)
		}
		var plain TrainerState
		if json.Valid(data) {
			if (json.Unmarshal(data, &plain) == nil) != (err == nil) || plain != state {
				t.Errorf("%q: %+v, want %+v", data, state, plain)
			}
		}
	})
}
