package scan

import (
	"encoding/json"
	"testing"

	"github.com/vision-platform/trainer-agent/agent/internal/pyjson"
)

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
