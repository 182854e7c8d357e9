package logline

import (
	"strings"
	"testing"
)

func TestALauncherPrefixNamesTheProcess(t *testing.T) {
	cases := map[string][2]string{
		"[rank0]: Traceback":                   {"rank0", "Traceback"},
		"[rank3]:[E ProcessGroupNCCL.cpp:1] x": {"rank3", "[E ProcessGroupNCCL.cpp:1] x"},
		"[default12]:  File \"x\", line 1":     {"default12", "  File \"x\", line 1"},
		"[trainer1]:RuntimeError: x":           {"trainer1", "RuntimeError: x"},
		"[1,3]<stderr>:RuntimeError: x":        {"1,3", "RuntimeError: x"},
		"[3]<stderr>:RuntimeError: x":          {"3", "RuntimeError: x"},
		"(train_fn pid=12, ip=10.0.0.1) x":     {"train_fn pid=12, ip=10.0.0.1", "x"},
		"[rank: 0] Seed set to 0":              {"", "[rank: 0] Seed set to 0"},
		"[2026-03-01] x":                       {"", "[2026-03-01] x"},
		"[34]: x":                              {"", "[34]: x"},
		"(0) Resource exhausted: OOM":          {"", "(0) Resource exhausted: OOM"},
		"":                                     {"", ""},
	}
	for l, want := range cases {
		if process, text := Split(l); process != want[0] || text != want[1] {
			t.Errorf("%q: %q, %q, want %q", l, process, text, want)
		}
	}
}

func TestLinesThatDifferInNumbersHaveOneShape(t *testing.T) {
	same := [][2]string{
		{"Epoch 1/10 loss 0.91", "Epoch 12/10 loss 13.5"},
		{"frame #1: c10::Error + 0x53 (0x7f in libc10.so)", "frame #24: clone + 0x3f (0x7fa in libc.so.6)"},
		{"7f520000000-7f520001000 r--p 00000000 08:07 1059362   /a/b.so", "7ffd1c000000-7ffd1c021000 rw-p 00000000 00:00 0"},
		{"/lib64/libc.so.6(+0x733cf)[0x7f52abbfc3cf]", "/opt/x.so(_ZN2at15setEi+0x38)[0x7f524397c3c8]"},
		{"InUse at 7f000000000 of size 256", "InUse at 7f000a00000 of size 512"},
	}
	for _, pair := range same {
		if Shape(pair[0]) != Shape(pair[1]) {
			t.Errorf("%q is %q, %q is %q", pair[0], Shape(pair[0]), pair[1], Shape(pair[1]))
		}
	}
	for _, pair := range [][2]string{{"Epoch 1", "Step 1"}, {"  File \"a.py\", line 3, in f", "  File \"b.py\", line 3, in f"}, {"failed", "faded"}} {
		if Shape(pair[0]) == Shape(pair[1]) {
			t.Errorf("%q and %q have the same shape %q", pair[0], pair[1], Shape(pair[0]))
		}
	}
}

func TestWhatOpensAnError(t *testing.T) {
	for _, l := range []string{"Traceback (most recent call last):", "torch.cuda.OutOfMemoryError: CUDA out of memory", "KeyError: 'x'", "[E429 13:55:49.3 ProcessGroupNCCL.cpp:1743] x", "terminate called after throwing an instance of 'c10::Error'", "Killed"} {
		if !OpensError(l) {
			t.Errorf("%q opens no error", l)
		}
	}
	for _, l := range []string{"Epoch 3/10 loss 0.3", "", "wandb: Run summary:", "  File \"x\", line 3", "Evaluating: 100"} {
		if OpensError(l) {
			t.Errorf("%q opens an error", l)
		}
	}
}

func TestTheTimeOfALineIsTakenOff(t *testing.T) {
	for l, want := range map[string]string{
		"2026-03-07T16:00:50.422113Z stderr F   File \"x\"": "  File \"x\"",
		"2026-03-07T16:00:50.422Z stdout F":                 "",
		"2026-03-07 16:00:50 [rank0]: x":                    "[rank0]: x",
		"[2026-03-07 16:00:50,422] [INFO] x":                "[INFO] x",
		"2026-03-07T16:00:50+01:00 x":                       "x",
		"\x1b[36m[rank0]: x":                                "[rank0]: x",
		"2026-03-07 is a day":                               "2026-03-07 is a day",
		"Epoch 1":                                           "Epoch 1",
		"":                                                  "",
	} {
		if got := Unstamped(l); got != want {
			t.Errorf("%q: %q, want %q", l, got, want)
		}
	}
}

func FuzzLogline(f *testing.F) {
	f.Add("[rank0]: x")
	f.Add("7f-8f r--p")
	f.Add("(x pid=1) y")
	f.Fuzz(func(t *testing.T, l string) {
		if _, text := Split(l); !strings.HasSuffix(l, text) {
			t.Errorf("%q: the text %q is no end of it", l, text)
		}
		if text := Unstamped(l); !strings.HasSuffix(l, text) {
			t.Errorf("%q: the text %q is no end of it", l, text)
		}
		if s := Shape(l); len(s) > shapeLength {
			t.Errorf("a shape of %d bytes", len(s))
		}
		if OpensError(l) && l == "" {
			t.Error("nothing opens an error")
		}
		if l != "" && !Continues(" "+l) {
			t.Errorf("%q, indented, goes on with nothing", l)
		}
	})
}

func BenchmarkShape(b *testing.B) {
	for b.Loop() {
		Shape("2026-03-07 16:00:50,422 Epoch 0: loss_total 8.192e-01 lr 0.001 mem 12313M eta 3:11:01")
	}
}
