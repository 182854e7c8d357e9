package contract

import (
	"bytes"
	"encoding/json"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func compact(t *testing.T, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := json.Compact(&b, []byte(text)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// The one description and the types must not drift from each other.
func TestTheDescriptionAndTheTypesHaveTheSameFields(t *testing.T) {
	for _, kind := range Kinds {
		payload, err := Decode(kind, []byte(`{}`))
		if err != nil {
			t.Fatal(err)
		}
		typ := reflect.TypeOf(payload)
		var names, described []string
		for i := range typ.NumField() {
			name, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
			names = append(names, name)
		}
		for _, f := range Fields(kind) {
			described = append(described, f.Name)
		}
		slices.Sort(names)
		slices.Sort(described)
		if !slices.Equal(names, described) {
			t.Errorf("%s: the type has %v, the description %v", kind, names, described)
		}
	}
}

// What the relay fills in must be of the field's own shape.
func TestDefaultsAreOfTheirShape(t *testing.T) {
	for _, kind := range Kinds {
		for _, f := range Fields(kind) {
			if f.Default == "" {
				continue
			}
			var value any
			dec := json.NewDecoder(strings.NewReader(f.Default))
			dec.UseNumber()
			if err := dec.Decode(&value); err != nil {
				t.Errorf("%s.%s: %v", kind, f.Name, err)
			}
			if err := f.Shape.check(value); err != nil {
				t.Errorf("%s.%s: %v", kind, f.Name, err)
			}
		}
	}
}

// wireBodies are whole bodies of every kind.
func wireBodies() map[Kind]string {
	return map[Kind]string{
		KindHeartbeat: payloads["heartbeat"].text, KindEvent: payloads["event"].text, KindValidation: payloads["validation"].text,
		KindDone: payloads["done failed"].text, KindInferenceProgress: payloads["inference progress"].text,
		KindTestRunDone: payloads["test run done"].text, KindInferenceDone: payloads["inference done"].text,
		KindExportProgress: payloads["export progress"].text, KindExportDone: payloads["export done"].text,
	}
}

func TestWholeBodiesPassAndReturnTheirPayload(t *testing.T) {
	for kind, text := range wireBodies() {
		payload, err := CheckWire(kind, compact(t, text))
		if err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		want, _ := Decode(kind, compact(t, text))
		if !reflect.DeepEqual(payload, want) {
			t.Errorf("%s: %+v, want %+v", kind, payload, want)
		}
	}
}

func TestABodyMustSpellOutEveryFieldButTheAgents(t *testing.T) {
	for kind, text := range wireBodies() {
		for _, f := range Fields(kind) {
			var body map[string]any
			if err := json.Unmarshal([]byte(text), &body); err != nil {
				t.Fatal(err)
			}
			delete(body, f.Name)
			raw, _ := json.Marshal(body)
			_, err := CheckWire(kind, raw)
			if f.Agent != (err == nil) || (err != nil && !strings.HasPrefix(err.Error(), f.Name+": ")) {
				t.Errorf("%s without %s: %v", kind, f.Name, err)
			}
		}
	}
}

func TestNullInAMetricIsAbsentAndOnlyAMarkIsNaN(t *testing.T) {
	payload, err := Decode(KindHeartbeat, []byte(`{"epoch":1,"metrics":{"loss":0.5,"val_loss":null,"broken":null}}`))
	if err != nil {
		t.Fatal(err)
	}
	if m := payload.(Heartbeat).Metrics; len(m) != 1 || m["loss"] != 0.5 {
		t.Errorf("read %v, want the loss alone", m)
	}
	m := WithNonFinite(payload, []string{"broken"}).(Heartbeat).Metrics
	if _, there := m["val_loss"]; there || len(m) != 2 || !math.IsNaN(float64(m["broken"])) {
		t.Errorf("read %v, want broken as NaN and no val_loss", m)
	}
	v := WithNonFinite(Validation{}, []string{"x"}).(Validation)
	if !math.IsNaN(float64(v.Metrics["x"])) {
		t.Errorf("a validation has %v", v.Metrics)
	}
}

func TestPathsOfOtherJobsAreFound(t *testing.T) {
	for path, ok := range map[string]bool{
		"": true, "checkpoints/best.pt": true, "/workspace/runs/best.pt": true, "file:///workspace/runs/best.pt": true,
		"s3://b/checkpoints/job-1/best.pt": true, "s3://b/test-runs/1/results.json": true, "s3://b/validation-results/job-1/epoch-3/images.json": true,
		"s3://b/checkpoints/job-11/best.pt": false, "s3://b/checkpoints/job-2/best.pt": false, "s3://b/datasets/d.zip": false,
		"s3://b/jobs/2/result.json": false, "s3://b/checkpoints/job-1/../job-2/best.pt": false, "https://example.com/x": false, "s3://": false,
	} {
		if err := CheckPath("1", path); (err == nil) != ok {
			t.Errorf("%q: %v", path, err)
		}
	}
}

func TestEveryEventOfTheAgentIsListed(t *testing.T) {
	listed := words(AgentEvents...)
	slices.Sort(listed)
	all := eventTypes(t)
	slices.Sort(all)
	if !slices.Equal(listed, all) {
		t.Errorf("listed %v, declared %v", listed, all)
	}
}

func FuzzCheckWire(f *testing.F) {
	for kind, text := range wireBodies() {
		f.Add(string(kind), []byte(text))
	}
	f.Fuzz(func(t *testing.T, kind string, body []byte) {
		payload, err := CheckWire(Kind(kind), body)
		if err != nil {
			return
		}
		if _, err := json.Marshal(payload); err != nil {
			t.Errorf("what passed cannot be written again: %v", err)
		}
	})
}
