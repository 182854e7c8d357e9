package logtext

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/vision-platform/trainer-agent/agent/diagnose/pattern"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const traceback = `Traceback (most recent call last):
  File "/app/train.py", line 12, in main
    loss = step(batch)
ValueError: bad shape`

func lines(s string) []string { return strings.Split(s, "\n") }

// prefixed puts a prefix before each line; "%d" in it counts.
func prefixed(prefix, text string) []string {
	out := lines(text)
	for i, l := range out {
		p := prefix
		if strings.Contains(prefix, "%") {
			p = fmt.Sprintf(prefix, i)
		}
		out[i] = p + l
	}
	return out
}

// Each is what stands before the lines of one launcher, container or logger.
func TestThePrefixOfEveryLauncherIsTakenOff(t *testing.T) {
	cases := map[string]struct{ prefix, process string }{
		"torch":             {"[rank1]: ", "rank1"},
		"torchrun --tee":    {"[default3]:", "default3"},
		"tune":              {"[trainer1]: ", "trainer1"},
		"srun -l":           {"1: ", "1"},
		"mpirun":            {"[1,3]<stderr>:", "1,3"},
		"horovodrun":        {"Fri Sep 25 16:52:5%d 2020[1]<stderr>:", "FriSep2520201"},
		"ray":               {"(train_fn pid=12, ip=10.0.0.1) ", "train_fn pid=12, ip=10.0.0.1"},
		"pdsh":              {"worker-0: ", "worker-0"},
		"docker compose":    {"trainer_1  | ", "trainer_1"},
		"kubeflow":          {"[kubeflow][worker-2] ", "kubeflowworker-2"},
		"a container's log": {"2026-03-05T10:00:0%d.123Z stdout F ", ""},
		"a logger's time":   {"2026-03-05 10:00:0%d,123 ", ""},
		"none":              {"", ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := Read(prefixed(tc.prefix, traceback)).Exceptions
			if len(got) != 1 || got[0].Text() != "ValueError: bad shape" || got[0].Process != tc.process {
				t.Fatalf("read %+v, want the exception of process %q", got, tc.process)
			}
			if f, ok := got[0].Where(); !ok || f != (Frame{"/app/train.py", 12, "main"}) {
				t.Errorf("at %+v", f)
			}
		})
	}
}

func TestRanksThatPrintAtOnceAreReadApart(t *testing.T) {
	a, b := prefixed("0: ", traceback), prefixed("1: ", strings.Replace(traceback, "bad shape", "worse shape", 1))
	var mixed []string
	for i := range a {
		mixed = append(mixed, a[i], b[i])
	}
	got := Read(mixed).Exceptions
	if len(got) != 2 || got[0].Message != "bad shape" || got[1].Message != "worse shape" {
		t.Errorf("read %+v", got)
	}
}

func TestDrawnTracebacksAreRead(t *testing.T) {
	cases := map[string]string{
		"rich": `╭───────────────────── Traceback (most recent call last) ──────────────────────╮
│ /app/train.py:12 in main                                                       │
│                                                                                │
│    11 │   batch = next(loader)                                                 │
│ ❱  12 │   loss = step(batch)                                                   │
│                                                                                │
╰────────────────────────────────────────────────────────────────────────────────╯
ValueError: bad shape`,
		"loguru": `2026-03-05 10:00:00.531 | ERROR    | __main__:<module>:20 - An error has been caught:
Traceback (most recent call last):

> File "/app/train.py", line 12, in main
    loss = step(batch)
           │    └ {'image': 3}
           └ <function step at 0x7f52debf7d30>

ValueError: bad shape`,
		"an exception group": `  + Exception Group Traceback (most recent call last):
  |   File "/app/train.py", line 30, in <module>
  |     asyncio.run(main())
  | ExceptionGroup: unhandled errors in a TaskGroup (1 sub-exception)
  +-+---------------- 1 ----------------
    | Traceback (most recent call last):
    |   File "/app/train.py", line 12, in main
    |     loss = step(batch)
    | ValueError: bad shape
    +------------------------------------`,
	}
	for name, text := range cases {
		t.Run(name, func(t *testing.T) {
			all := Read(lines(text)).Exceptions
			if len(all) == 0 {
				t.Fatal("no exception was found")
			}
			x := all[len(all)-1]
			if f, _ := x.Where(); x.Text() != "ValueError: bad shape" || f != (Frame{"/app/train.py", 12, "main"}) {
				t.Errorf("read %+v", x)
			}
		})
	}
}

// A traceback that lost its indentation or its header on the way still says where.
func TestTracebacksThatLostPartsAreRead(t *testing.T) {
	cases := map[string]string{
		"no indentation": "Traceback (most recent call last):\nFile \"/app/train.py\", line 12, in main\nloss = step(batch)\nValueError: bad shape",
		"no function":    "Traceback (most recent call last):\n  File \"/app/train.py\", line 12, in main\n    loss\nFile \"/opt/site-packages/x.py\", line 3, in \nrun(args)\nValueError: bad shape",
		"no header":      "  File \"/app/train.py\", line 12, in main\n    loss = step(batch)\n           ^^^^^^^^^^^\nValueError: bad shape",
	}
	for name, log := range cases {
		got := Read(lines(log)).Exceptions
		if len(got) != 1 || got[0].Text() != "ValueError: bad shape" {
			t.Errorf("%s: read %+v", name, got)
			continue
		}
		if f, ok := got[0].Where(); !ok || f != (Frame{"/app/train.py", 12, "main"}) {
			t.Errorf("%s: at %+v", name, f)
		}
	}
	if got := Read(lines("Exception: Dataset not found.")).Exceptions; len(got) != 1 || got[0].Text() != "Exception: Dataset not found." {
		t.Errorf("a bare Exception is read as %+v", got)
	}
}

// Every rule is tried on each of an exception's causes.
func TestALongChainKeepsItsNearestAndItsFirst(t *testing.T) {
	for name, between := range map[string]string{"a chain": handling, "a group": sibling} {
		var log []string
		for i := range 300 {
			log = append(log, header+":", `  File "/app/train.py", line 1, in main`, fmt.Sprintf("ValueError: try %d", i), "", between, "")
		}
		found := Read(log).Exceptions
		if len(found) != 1 {
			t.Fatalf("%s: %d exceptions", name, len(found))
		}
		x := found[0]
		if len(x.Causes) != maxCauses {
			t.Errorf("%s: %d causes, want %d", name, len(x.Causes), maxCauses)
		}
		if between == handling && (x.Message != "try 299" || x.Causes[0].Message != "try 298" || x.Causes[maxCauses-1].Message != "try 0") {
			t.Errorf("%q, %q, …, %q", x.Message, x.Causes[0].Message, x.Causes[maxCauses-1].Message)
		}
	}
	nested := lines(strings.Repeat("Original "+header+":\nValueError: in a worker\n", 300))
	if found := Read(nested).Exceptions; len(found) != 1 || len(found[0].Causes) != maxCauses {
		t.Errorf("%d exceptions", len(found))
	}
}

func TestTheFirstSentenceOfAMessage(t *testing.T) {
	cases := map[string]string{
		"one line\nand advice":                                         "E: one line",
		"backend='inductor' raised:\nKeyError: 'uid'\n\nSet X":         "E: backend='inductor' raised: KeyError: 'uid'",
		"\n    You requested GPUs: [0, 1]\n    But only has: [0]\n   ": "E: You requested GPUs: [0, 1] But only has: [0]",
		"2 root error(s) found.\n  (0) OOM":                            "E: 2 root error(s) found. (0) OOM",
		"":                                                             "E",
	}
	for message, want := range cases {
		if got := (Exception{Kind: "E", Message: message}).Short(); got != want {
			t.Errorf("%q: %q, want %q", message, got, want)
		}
	}
}

func TestWhatNativeCodeSaysLast(t *testing.T) {
	cases := map[string]string{
		"terminate called after throwing an instance of 'c10::Error'\n  what():  CUDA error: device lost\nException raised from f at x.cpp:3\nframe #0: f": "c10::Error: CUDA error: device lost",
		"terminate called after throwing an instance of 'E'\n  what():  Summary: \n\nOut of memory error on GPU 0.\n\n-----":                               "E: Summary:\n\nOut of memory error on GPU 0.",
		"*** Error in `/opt/bin/python': double free or corruption (!prev): 0x000055bbaca66830 ***":                                                        "double free or corruption (!prev)",
		"90%|███| 3/4 [01:00<00:20]\nmunmap_chunk(): invalid pointer":                                                                                      "munmap_chunk(): invalid pointer",
		"F0305 14:02:11.9 88 gpu.cc:12] Check failed: x > 0":                                                                                               "Check failed: x > 0",
		"python: engine.cpp:71: void f(): Assertion `p' failed.":                                                                                           "python: engine.cpp:71: void f(): Assertion `p' failed.",
	}
	for text, want := range cases {
		got := Read(lines(text)).Exceptions
		if len(got) != 1 || got[0].Text() != want || !got[0].Native {
			t.Errorf("%q: read %+v", text, got)
		}
	}
}

func survived(t *testing.T, p Patience, after ...string) bool {
	t.Helper()
	g := Read(append(lines(traceback), after...))
	if len(g.Exceptions) != 1 {
		t.Fatalf("%d exceptions", len(g.Exceptions))
	}
	return g.Survived(g.Exceptions[0], p)
}

func TestOrdinaryOutputAfterAnExceptionMeansItWasSurvived(t *testing.T) {
	cases := map[string]struct {
		after         []string
		killed, ended bool
	}{
		"nothing":                  {nil, false, false},
		"one epoch":                {[]string{"Epoch 4/10 loss 0.3"}, true, false},
		"a progress bar":           {[]string{" 83%|████▎ | 5/6 [03:10<00:38, 38.1s/it]"}, true, false},
		"many epochs":              {[]string{"Epoch 4 loss 0.3", "Epoch 5 loss 0.2", "Epoch 6 loss: 0.1", "Epoch 7 loss: 0.1"}, true, true},
		"a flood of like progress": {slices.Repeat([]string{"step 4 loss: 0.3"}, 300), true, true},
		"five lines":               {[]string{"Saving model", "Evaluating", "mAP is fine", "Going on", "Reading data"}, true, false},
		"a launcher's farewell": {[]string{
			"E0305 14:02:11.9 88 torch/distributed/elastic/multiprocessing/api.py:869] failed (exitcode: 1) local_rank: 0",
			"============", "/app/train.py FAILED", "------------", "Root Cause (first observed failure):", "[0]:", "  rank      : 0 (local_rank: 0)", "  exitcode  : 1 (pid: 100)"}, false, false},
		"a tracker's summary": {slices.Repeat([]string{"wandb: Run summary: loss 0.3", "wandb:  metric 3"}, 30), false, false},
		"a crash's dump":      {[]string{"======= Memory map: ========", "7f520000000-7f520001000 r--p 00000000 08:07 1 /a.so", "7f530000000-7f530001000 r--p 00000000 08:07 2 /b.so", "7f540000000-7f540001000 r--p 00000000 08:07 2 /b.so"}, false, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := survived(t, Killed, tc.after...); got != tc.killed {
				t.Errorf("of a killed process: %v", got)
			}
			if got := survived(t, Ended, tc.after...); got != tc.ended {
				t.Errorf("of one that left by itself: %v", got)
			}
		})
	}
}

func TestAnotherRanksProgressDoesNotMeanThatThisOneSurvived(t *testing.T) {
	g := Read(append(prefixed("[rank1]: ", traceback), prefixed("[rank0]: ", "Epoch 4 loss: 0.3\nEpoch 5 loss: 0.2")...))
	if g.Survived(g.Exceptions[0], Killed) {
		t.Error("called survived")
	}
}

func TestAFactIsNeitherAdviceNorAWarning(t *testing.T) {
	fact := pattern.Of(`out of memory`)
	for _, l := range []string{"WARNING: out of memory, retrying", "If you run into out of memory, use less", "[INFO] 2026 x out of memory", "consider more in case of out of memory"} {
		if got, ok := Read([]string{l}).Says(fact, Ended); ok {
			t.Errorf("%q states a fact", got)
		}
	}
	if _, ok := Read([]string{"ERROR: out of memory"}).Says(fact, Ended); !ok {
		t.Error("an error states none")
	}
}

func TestWhatALauncherSaid(t *testing.T) {
	cases := map[string]Launch{
		"E0305 14:02:11.9 88 torch/distributed/elastic/multiprocessing/api.py:869] failed (exitcode: -9) local_rank: 2 (pid: 102)": {Signal: "SIGKILL"},
		"  traceback : Signal 6 (SIGABRT) received by PID 103":                                                                     {Signal: "SIGABRT"},
		"mpirun noticed that process rank 7 with PID 0 on node w exited on signal 9 (Killed).":                                     {Signal: "SIGKILL"},
		"[launch.py:434:sigkill_handler] ['python'] exits with return code = -7":                                                   {Signal: "SIGBUS"},
		"run.sh: line 3:  7432 Killed                  python train.py":                                                            {Signal: "SIGKILL"},
		"Received 1 death signal, shutting down workers":                                                                           {Received: "SIGHUP"},
		"  exitcode  : 1 (pid: 100)":                    {Exit: 1},
		"  rank      : 3 (local_rank: 3)":               {Rank: "3"},
		"Killed process is fine, she said: 3 Killed it": {},
	}
	for l, want := range cases {
		got := Read([]string{l}).Launch
		if got.Line = ""; got != want {
			t.Errorf("%q: %+v, want %+v", l, got, want)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(traceback)
	f.Add("[rank0]: " + traceback + "\n… [3 like lines left out]\nx")
	f.Add("  + Exception Group Traceback (most recent call last):\n  | x\n╭ Traceback\n│ a:1 in b │\n╰")
	f.Add("{\"message\": \"x\", \"level\": \"info\"}\n{\"log\": \"y\\nz\"}")
	f.Add("KeyError     Traceback (most recent call last)\nCell In[3], line 2\n----> 2 x\nFile /a.py:3, in f(x)\n-> 3 y\nKeyError: 1")
	f.Add("+--- Traceback (most recent call last) ---+\n| /a/b |\n| c.py:3 in f |\n+---------------+\nKeyError: 1")
	f.Add("terminate called after throwing an instance of 'x'\n  what(): \n\n")
	f.Fuzz(func(t *testing.T, text string) {
		g := Read(lines(text))
		if len(g.after) != len(g.Lines) {
			t.Fatalf("%d lines, %d of them counted", len(g.Lines), len(g.after))
		}
		for _, x := range g.Exceptions {
			if x.end < 0 || x.end >= len(g.Lines) {
				t.Errorf("an exception ends in line %d of %d", x.end, len(g.Lines))
			}
			x.Where()
			x.Short()
		}
		g.Last(10)
	})
}
