package relay

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
)

func TestPythonsNumbersBecomeNull(t *testing.T) {
	for body, want := range map[string]string{
		`{"a":NaN}`:                              `{"a":null}`,
		`{"a":Infinity,"b":-Infinity}`:           `{"a":null,"b":null}`,
		`{"a":[NaN, [NaN], {"b": NaN}]}`:         `{"a":[null,[null],{"b":null}]}`,
		`{"a":"NaN"}`:                            `{"a":"NaN"}`,
		`{"NaN":1}`:                              `{"NaN":1}`,
		`{"a":1e999,"b":-1e999,"c":1e-999}`:      `{"a":null,"b":null,"c":1e-999}`,
		`{"a":` + strings.Repeat("9", 400) + `}`: `{"a":null}`,
		`{"a":0.1000,"b":1E5,"c":-0}`:            `{"a":0.1000,"b":1E5,"c":-0}`,
		" {\n\t\"a\" : [ ] , \"b\" : { } }\r\n":  `{"a":[],"b":{}}`,
	} {
		clean, err := Clean([]byte(body), "null")
		if err != nil || string(clean) != want {
			t.Errorf("%s became %s (%v), want %s", body, clean, err, want)
		}
	}
}

func TestWhatIsNotJSONIsRefusedWithItsPlace(t *testing.T) {
	for body, want := range map[string]string{
		``:                          "at byte 0",
		`{`:                         "at byte 1",
		`{"a"`:                      "colon",
		`{"a":}`:                    "at byte 5",
		`{"a":1,}`:                  "name in quotes",
		`{"a":1 "b":2}`:             "comma",
		`{a:1}`:                     "name in quotes",
		`[1,]`:                      "at byte 3",
		`[1 2]`:                     "comma",
		`01`:                        "something follows",
		`1.`:                        "digits",
		`1e`:                        "digits",
		`-`:                         "digits",
		`--1`:                       "digits",
		`Nan`:                       "digits",
		`-NaN`:                      "digits",
		`nul`:                       "no value",
		`"a`:                        "does not end",
		`"\x"`:                      "no such escape",
		`"\u12g4"`:                  "hex",
		"\"\n\"":                    "control character",
		"\"\xff\"":                  "UTF-8",
		`1 2`:                       "something follows",
		strings.Repeat("[", 65):     "nested deeper",
		strings.Repeat(`{"a":`, 65): "nested deeper",
		strings.Repeat("[", 4<<20):  "nested deeper",
	} {
		_, err := Clean([]byte(body), "null")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: %v, want an error with %q", body, err, want)
		}
	}
}

func TestAFieldOfTheWrongTypeIsNamed(t *testing.T) {
	for _, c := range []struct {
		kind        contract.Kind
		body, field string
	}{
		{contract.KindHeartbeat, `{}`, "epoch"},
		{contract.KindHeartbeat, `{"epoch":"5"}`, "epoch"},
		{contract.KindHeartbeat, `{"epoch":0.5}`, "epoch"},
		{contract.KindHeartbeat, `{"epoch":NaN}`, "epoch"},
		{contract.KindHeartbeat, `{"epoch":null}`, "epoch"},
		{contract.KindHeartbeat, `{"epoch":true}`, "epoch"},
		{contract.KindHeartbeat, `{"epoch":[1]}`, "epoch"},
		{contract.KindHeartbeat, `{"epoch":1e300}`, "epoch"},
		{contract.KindHeartbeat, `{"epoch":1,"progress":"10%"}`, "progress"},
		{contract.KindHeartbeat, `{"epoch":1,"metrics":{"loss":"0.5"}}`, "metrics.loss"},
		{contract.KindHeartbeat, `{"epoch":1,"metrics":{"loss":[0.5]}}`, "metrics.loss"},
		{contract.KindHeartbeat, `{"epoch":1,"metrics":[]}`, "metrics"},
		{contract.KindHeartbeat, `{"epoch":1,"metrics":{` + strings.Repeat(`"a":1,`, contract.MaxMetrics) + `"b":1}}`, "metrics"},
		{contract.KindEvent, `{"message":"x"}`, "event_type"},
		{contract.KindEvent, `{"event_type":7}`, "event_type"},
		{contract.KindEvent, `{"event_type":"x","data":[1]}`, "data"},
		{contract.KindValidation, `{"epoch":1,"confusion_matrix":[[1,2],[3,"4"]]}`, "confusion_matrix[1][1]"},
		{contract.KindValidation, `{"epoch":1,"per_class_metrics":[{"class_id":"cat"}]}`, "per_class_metrics[0].class_id"},
		{contract.KindValidation, `{"epoch":1,"pr_curves":{"cat":{"recall":[0,{}]}}}`, "pr_curves.cat.recall[1]"},
		{contract.KindDone, `{"status":"ok"}`, "status"},
		{contract.KindDone, `{"status":"succeeded","checkpoint_path":7}`, "checkpoint_path"},
		{contract.KindInferenceProgress, `{"processed_images":1.5}`, "processed_images"},
		{contract.KindExportProgress, `{"progress_percent":5,"stage":"cooking"}`, "stage"},
		{contract.KindExportDone, `{"status":"failed","model_info":{"input_shape":["a"]}}`, "model_info.input_shape[0]"},
	} {
		_, err := (checker{"job-1"}).decode(c.kind, []byte(c.body))
		f, ok := errors.AsType[*fieldError](err)
		if !ok || f.path != c.field {
			t.Errorf("%s %.60s: %v, want the field %s named", c.kind, c.body, err, c.field)
		}
	}
}

func TestWholeNumbersWrittenAsFloatsAreWhole(t *testing.T) {
	d, err := (checker{"job-1"}).decode(contract.KindHeartbeat, []byte(`{"epoch":5.0,"metrics":{"a":5.0}}`))
	if err != nil || string(d.bytes()) != `{"epoch":5,"metrics":{"a":5.0}}` {
		t.Errorf("became %s (%v)", d.bytes(), err)
	}
}

func TestTheLastOfTwoEqualNamesCountsAndUnknownFieldsStay(t *testing.T) {
	d, err := (checker{"job-1"}).decode(contract.KindHeartbeat, []byte(`{"epoch":1,"Epoch":"mine","ep\u006fch":2,"x":{"y":[1.50,"\u00e9"]}}`))
	if err != nil || string(d.bytes()) != `{"epoch":2,"x":{"y":[1.50,"\u00e9"]}}` {
		t.Errorf("became %s (%v)", d.bytes(), err)
	}
}

func TestACompletedBodyIsReadableAsTheContractsType(t *testing.T) {
	for kind, minimal := range map[contract.Kind]string{
		contract.KindHeartbeat:         `{"epoch":1}`,
		contract.KindEvent:             `{"event_type":"x"}`,
		contract.KindValidation:        `{"epoch":1,"primary_metric_value":null}`,
		contract.KindDone:              `{"status":"succeeded"}`,
		contract.KindInferenceProgress: `{"processed_images":1,"total_images":2,"progress_percent":50}`,
		contract.KindTestRunDone:       `{"status":"failed"}`,
		contract.KindInferenceDone:     `{"status":"failed"}`,
		contract.KindExportProgress:    `{"progress_percent":1,"stage":"converting"}`,
		contract.KindExportDone:        `{"status":"failed"}`,
	} {
		d, err := (checker{"job-1"}).decode(kind, []byte(minimal))
		if err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		at := d.finish(kind, noon)
		if _, err := d.payload(kind); err != nil || !at.Equal(noon) {
			t.Errorf("%s: %s: %v", kind, d.bytes(), err)
		}
	}
}

func TestTheChildsTimestampIsKeptWhenItIsOne(t *testing.T) {
	for given, want := range map[string]string{
		`"2025-01-10T12:34:56Z"`:           `"2025-01-10T12:34:56Z"`,
		`"2025-01-10T12:34:56.123456Z"`:    `"2025-01-10T12:34:56.123456Z"`,
		`"2025-01-10T12:34:56.123456"`:     `"2025-01-10T12:34:56.123456Z"`,
		`"2025-01-10T12:34:56+02:00"`:      `"2025-01-10T10:34:56Z"`,
		`"2025-01-10T12:34:56.123456789Z"`: `"2025-01-10T12:34:56.123456Z"`,
		`"yesterday"`:                      `"2026-01-02T12:00:00Z"`,
		`1736512496`:                       `"2026-01-02T12:00:00Z"`,
		`null`:                             `"2026-01-02T12:00:00Z"`,
		`""`:                               `"2026-01-02T12:00:00Z"`,
		`"0001-01-01T00:00:00Z"`:           `"2026-01-02T12:00:00Z"`,
		`{"a":1}`:                          `"2026-01-02T12:00:00Z"`,
		`"9999-12-31T23:59:59-23:59"`:      `"2026-01-02T12:00:00Z"`,
	} {
		d, err := (checker{"job-1"}).decode(contract.KindHeartbeat, []byte(`{"epoch":1,"timestamp":`+given+`}`))
		if err != nil {
			t.Fatalf("%s: %v", given, err)
		}
		d.finish(contract.KindHeartbeat, noon)
		if got := string(d.get("timestamp")); got != want {
			t.Errorf("the timestamp %s became %s, want %s", given, got, want)
		}
	}
}

func TestEightMebibytesOfBracketsCostNoMoreThanTheirSize(t *testing.T) {
	for name, body := range map[string]string{
		"empty rows":    `{"epoch":1,"confusion_matrix":[` + strings.Repeat("[],", 1<<21) + `[]]}`,
		"empty classes": `{"epoch":1,"per_class_metrics":[` + strings.Repeat("{},", 1<<21) + `{}]}`,
		"one row":       `{"epoch":1,"confusion_matrix":[[` + strings.Repeat("1,", 1<<22) + `1]]}`,
		"unknown":       `{"epoch":1,"x":[` + strings.Repeat("[],", 1<<21) + `[]]}`,
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		d, err := (checker{"job-1"}).decode(contract.KindValidation, []byte(body))
		if err == nil {
			_, err = d.payload(contract.KindValidation)
		}
		if refused := strings.HasPrefix(name, "empty"); refused != (err != nil) {
			t.Fatalf("%s: %v", name, err)
		}
		runtime.ReadMemStats(&after)
		allocs := after.TotalAlloc - before.TotalAlloc
		if allocs > uint64(4*len(body)) {
			t.Errorf("%s: %d bytes became %d in memory", name, len(body), allocs)
		}
	}
}

// FuzzClean holds the scanner against encoding/json: what one accepts the other
// accepts too, and the values are equal.
func FuzzClean(f *testing.F) {
	for _, s := range []string{`{"a":[1,NaN,-Infinity,"é\u00e9\n"],"b":{}}`, `[1e999]`, `-0.0e-0`, `"\ud800"`, `[[[[]]]]`, `{"a":1,"a":2}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		clean, err := Clean(b, "null")
		var theirs any
		valid := json.Unmarshal(b, &theirs) == nil
		if err != nil {
			if valid && !strings.Contains(err.Error(), "nested deeper") && !strings.Contains(err.Error(), "UTF-8") {
				t.Fatalf("%q is JSON, refused with %v", b, err)
			}
			return
		}
		var ours any
		if err := json.Unmarshal(clean, &ours); err != nil {
			t.Fatalf("%q became %q, which is no JSON: %v", b, clean, err)
		}
		if valid && !reflect.DeepEqual(ours, theirs) {
			t.Fatalf("%q became %q", b, clean)
		}
		again, err := Clean(clean, "null")
		if err != nil || !bytes.Equal(again, clean) {
			t.Fatalf("%q is not clean: %q %v", clean, again, err)
		}
	})
}

// FuzzDecode wants every accepted body to be readable as the contract's type, and
// every one that is not to say so.
func FuzzDecode(f *testing.F) {
	f.Add(0, []byte(`{"epoch":1,"metrics":{"loss":NaN},"system":{}}`))
	f.Add(1, []byte(`{"event_type":"x","data":null}`))
	f.Add(2, []byte(`{"epoch":1,"confusion_matrix":[[1]],"per_class_metrics":[{"class_id":1}],"pr_curves":{"a":{"recall":[1]}}}`))
	f.Add(8, []byte(`{"status":"failed","model_info":{"input_shape":[1.0]},"STATUS":1}`))
	f.Fuzz(func(t *testing.T, n int, b []byte) {
		kind := contract.Kinds[int(math.Abs(float64(n%len(contract.Kinds))))]
		d, err := (checker{"job-1"}).decode(kind, b)
		if err != nil {
			return
		}
		d.finish(kind, noon)
		if !json.Valid(d.bytes()) {
			t.Fatalf("%s: %q was accepted as %q", kind, b, d.bytes())
		}
		payload, err := d.payload(kind)
		if err != nil && !loose(b) {
			t.Fatalf("%s: %q was accepted as %q: %v", kind, b, d.bytes(), err)
		}
		if err == nil && payload == nil {
			t.Fatalf("%s: %q has no payload", kind, b)
		}
	})
}

// loose reports whether a body has what the shapes leave open: the agent's own
// fields, and names below the top level that encoding/json matches in any case.
func loose(b []byte) bool {
	return bytes.ContainsAny(b, "ABCDEFGHIJKLMNOPQRSTUVWXYZ\\ſK") || bytes.Contains(b, []byte("system")) || bytes.Contains(b, []byte("transfer")) ||
		bytes.Contains(b, []byte("err")) || bytes.Contains(b, []byte("artifacts")) || bytes.Contains(b, []byte("exit"))
}
