// Without the race detector: it sees nothing in a thousand logs that are read one after
// the other, and takes twenty times as long. make test-go runs these by themselves.

//go:build !race

package diagnose

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/agent/process/output"
	"github.com/vision-platform/trainer-agent/contract"
)

// specimen is one file of testdata/failures: what people posted in a public
// thread, labelled by hand with what those lines prove.
type specimen struct {
	name   string
	fields map[string]string
	log    []string
}

func corpus(t *testing.T) []specimen {
	t.Helper()
	files, err := filepath.Glob("../../testdata/failures/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no corpus: %v", err)
	}
	var out []specimen
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		head, body, ok := strings.Cut(string(b), "\n---\n")
		if !ok {
			t.Fatalf("%s has no line of three dashes", file)
		}
		s := specimen{name: strings.TrimSuffix(filepath.Base(file), ".txt"), fields: map[string]string{}, log: log(body)}
		for l := range strings.Lines(head) {
			key, value, _ := strings.Cut(strings.TrimSuffix(l, "\n"), ": ")
			s.fields[key] = value
		}
		out = append(out, s)
	}
	return out
}

func (s specimen) number(key string, otherwise int) int {
	n, err := strconv.Atoi(s.fields[key])
	if err != nil {
		return otherwise
	}
	return n
}

// evidence is what the agent would have had: what is kept of the lines, how the
// process ended, and the accounts that the thread tells of.
func (s specimen) evidence() Evidence {
	tail := output.NewTail(0)
	for _, l := range s.log {
		_, _ = tail.Write([]byte(l + "\n"))
	}
	e := Evidence{
		JobType: contract.JobTraining, Checkpoints: -1, LogTail: tail.Lines(), Settings: Settings{Device: s.fields["device"]},
		ExitCode: s.number("exit", 1), Signal: s.number("signal", 0), LastEpoch: s.number("last_epoch", 0),
	}
	for n := range strings.FieldsSeq(s.fields["nan_epochs"]) {
		epoch, _ := strconv.Atoi(n)
		e.NaNEpochs = append(e.NaNEpochs, epoch)
	}
	if s.fields["disk_full"] == "yes" {
		e.System.Disk = contract.VolumeEvidence{Path: "/workspace", TotalBytes: 100 << 30}
	}
	return e
}

// TestCorpus measures the diagnosis on real logs. A confident wrong answer is a
// code that names a cause which is not the labelled one; TRAINING_FAILED in place
// of a cause is a miss, but misleads nobody.
func TestCorpus(t *testing.T) {
	specimens := corpus(t)
	if len(specimens) < 60 {
		t.Errorf("only %d logs, 60 are asked for", len(specimens))
	}
	scores := map[contract.Code]*score{}
	at := func(c contract.Code) *score {
		if scores[c] == nil {
			scores[c] = &score{}
		}
		return scores[c]
	}
	right := 0
	for _, s := range specimens {
		want := contract.Code(s.fields["code"])
		f := Diagnose(s.evidence())
		if f == nil {
			t.Errorf("%s: called a success", s.name)
			continue
		}
		at(want).labelled++
		at(f.Code).answered++
		if f.Code == want {
			at(want).hits++
			right++
		} else if f.Code != contract.CodeTrainingFailed {
			t.Errorf("%s: a confident wrong answer: %s %q, labelled %s", s.name, f.Code, f.Line(), want)
		} else {
			t.Logf("%s: missed: %s %q, labelled %s", s.name, f.Code, f.Line(), want)
		}
		if says := s.fields["says"]; f.Code == want && !strings.Contains(f.Line(), says) {
			t.Errorf("%s: says %q, want %q in it", s.name, f.Line(), says)
		}
		if retry := s.fields["retry"]; retry != "" && (retry == "yes") != f.Retryable {
			t.Errorf("%s: retryable is %v: %q", s.name, f.Retryable, f.Line())
		}
		if placeholder.MatchString(f.Line()) {
			t.Errorf("%s: a placeholder is left in %q", s.name, f.Line())
		}
		if len(f.Evidence) == 0 {
			t.Errorf("%s: no evidence is quoted", s.name)
		}
	}
	fmt.Print(table(scores, right, len(specimens)))
	if share := float64(right) / float64(len(specimens)); share < 0.95 {
		t.Errorf("%.1f %% right, the target is 95 %%", 100*share)
	}
}

// placeholder is what a template leaves that nobody filled.
var placeholder = regexp.MustCompile(`\{(short|batch_size|num_workers|image_size|learning_rate)\}|\$\{`)

type score struct{ labelled, answered, hits int }

func table(scores map[contract.Code]*score, right, all int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Diagnosis of %d real failure logs: %d right (%.1f %%)\n", all, right, 100*float64(right)/float64(all))
	fmt.Fprintf(&b, "%-20s %5s %10s %7s\n", "code", "logs", "precision", "recall")
	for _, c := range slices.Sorted(maps.Keys(scores)) {
		s := scores[c]
		fmt.Fprintf(&b, "%-20s %5d %9s%% %6s%%\n", c, s.labelled, percent(s.hits, s.answered), percent(s.hits, s.labelled))
	}
	return b.String()
}

func percent(part, whole int) string {
	if whole == 0 {
		return "-"
	}
	return strconv.Itoa(100 * part / whole)
}
