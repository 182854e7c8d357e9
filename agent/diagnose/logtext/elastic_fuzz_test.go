package logtext

import "testing"

// The file is the training's own: whatever is in it, an exception that is found has a kind.
func FuzzElastic(f *testing.F) {
	f.Add(`{"message": {"message": "RuntimeError: out of memory\nsecond line", "extraInfo": {"py_callstack": "Traceback (most recent call last):\n  File \"x.py\", line 1, in <module>\nRuntimeError: out of memory\n"}}}`)
	f.Add(`{"message": "ValueError: no"}`)
	f.Add(`{"message": {"message": 1}}`)
	f.Add(`{"message": null}`)
	f.Fuzz(func(t *testing.T, content string) {
		if e, found := Elastic(content); found && e.Kind == "" {
			t.Errorf("%q: %+v", content, e)
		}
	})
}
