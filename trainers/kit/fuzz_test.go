package kit

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
)

// What a stranger's package tells in its training test is judged, whatever it is.
func FuzzCallbacks(f *testing.F) {
	f.Add([]byte(`{"kind":"heartbeat","body":{"epoch":1,"metrics":{"loss":null}}}` + "\n" + `{"kind":"done","body":{"status":"succeeded"}}` + "\n"))
	f.Add([]byte(`{"kind":"validation","body":{"epoch":1,"metrics":{"accuracy":1}}}{"kind":"event","body":[]}`))
	f.Add([]byte(`{"kind":"done","body":null}`))
	f.Add([]byte(`{"kind":1}`))
	f.Fuzz(func(t *testing.T, record []byte) {
		calls, err := decodeCallbacks(bytes.NewReader(record))
		for _, c := range calls {
			if c.Body != nil && !json.Valid(c.Body) {
				t.Errorf("the body %q was taken (%v)", c.Body, err)
			}
		}
		_ = judgeTraining(calls)
	})
}

// What a stranger's package predicts is judged, whatever it is, and a number that is none never passes.
func FuzzPrediction(f *testing.F) {
	f.Add([]byte(`{"results":[{"width":64,"height":64,"predictions":{"class_name":"a","confidence":0.5}}]}`))
	f.Add([]byte(`{"results":[{"width":64,"height":64,"predictions":{"boxes":[{"class_name":"a","confidence":0.5,"bbox":[1,2,3,4],"segmentation":[[1,2]],"keypoints":[[1,2,2]]}]}}]}`))
	f.Add([]byte(`{"results":[{"predictions":{"classes":[{"class_name":"background","share":1}]}}]}`))
	f.Add([]byte(`{"results":[{"predictions":null}]}`))
	f.Add([]byte(`{"results":[{}]}`))
	f.Add([]byte(`{"results":[{"prediCtions":{"ClAsses":[{"ClAss_NAme":"background","shAre":0}]}}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		said := strings.ToLower(string(body)) // names of fields match in any case
		for _, task := range contract.TaskTypes {
			if _, wrong := parseAnswer(body, task, []string{"a"}); wrong == "" && !strings.Contains(said, "class_name") && !strings.Contains(said, "boxes") && !strings.Contains(said, "\\") {
				t.Errorf("%s: %s passes", task, body)
			}
		}
	})
}

// What config_schema.py of a stranger's package answers is judged, whatever it is.
func FuzzSchema(f *testing.F) {
	f.Add([]byte(`{"framework":"x","description":"d","version":"1","fields":[{"name":"a","type":"int","default":3,"min":1,"max":9,"description":"d","group":"g"}],"presets":{"easy":{"a":4},"medium":{},"advanced":{}}}`))
	f.Add([]byte(`{"fields":[{"name":"s","type":"select","options":[1,"b",null],"default":[],"description":"d","group":"g"}]}`))
	f.Add([]byte(`{"fields":[{"type":"float","default":1e308,"min":-1e308}],"presets":{"easy":{"a":{"b":{}}}}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var schema contract.ConfigSchema
		if json.Unmarshal(text, &schema) != nil {
			return
		}
		for _, f := range checkSchema(schema) {
			if f.Text == "" || math.MaxUint16 < len(f.Text) && len(text) < 1<<10 {
				t.Errorf("%+v", f)
			}
		}
	})
}
