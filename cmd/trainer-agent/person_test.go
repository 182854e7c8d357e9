package main_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
)

// withBallast is the tiny dataset with so many more bytes, which cannot be packed.
func withBallast(t *testing.T, size int) []byte {
	t.Helper()
	tiny := tinyDataset()
	from, err := zip.NewReader(bytes.NewReader(tiny), int64(len(tiny)))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	to := zip.NewWriter(&out)
	for _, f := range from.File {
		if err := to.Copy(f); err != nil {
			t.Fatal(err)
		}
	}
	w, _ := to.CreateHeader(&zip.FileHeader{Name: "notes.bin", Method: zip.Store})
	ballast := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{}).Read(ballast)
	_, _ = w.Write(ballast)
	_ = to.Close()
	return out.Bytes()
}

// sits starts a job with a person at its terminal.
func (j *job) sits(columns, rows int, args ...string) *person {
	j.t.Helper()
	if args == nil {
		args = append([]string{"run", "--"}, j.command...)
	}
	cmd := command(j, args...)
	cmd.Env = append(cmd.Env, "HOME="+j.t.TempDir(), "LANG=C.UTF-8")
	if j.env["TERM"] == "" {
		cmd.Env = append(cmd.Env, "TERM=xterm-256color")
	}
	j.cmd = cmd
	return sit(j.t, cmd, columns, rows)
}

// modes are the escape sequences that would outlive a killed agent.
var modes = regexp.MustCompile(`\x1b\[\?\d+[hl]|\x1b\[\d*;?\d*r`)

var colours = regexp.MustCompile(`\x1b\[[0-9;]*m`)

// clean checks that the terminal is left as a shell wants it.
func (p *person) clean() {
	p.t.Helper()
	if found := modes.FindString(p.bytes()); found != "" {
		p.t.Errorf("a mode was set: %q", found)
	}
	if cursor := p.vt.Cursor(); cursor.X != 0 {
		p.t.Errorf("the cursor is left in column %d:\n%s", cursor.X, p.screen())
	}
	for line := range strings.Lines(p.screen()) {
		if strings.Contains(line, "━") || strings.Contains(line, "──") {
			p.t.Errorf("a bar is left: %s", line)
		}
	}
}

func TestPersonSeesThePhasesOfAJob(t *testing.T) {
	if err := shared.Put("datasets/ballast.zip", withBallast(t, 1<<20)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name          string
		columns, rows int
		set           []string
	}{{"wide", 250, 50, nil}, {"usual", 90, 40, nil}, {"narrow", 40, 60, []string{"NO_COLOR", "1"}}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			j := newJob(t, "steps").with("DATASET_ID", "ballast", "AGENT_DOWNLOAD_BANDWIDTH", "512KiB", "AGENT_UPLOAD_BANDWIDTH", "512KiB").with(c.set...)
			p := j.sits(c.columns, c.rows)
			p.sees("downloading ━", "%", "KiB/s")
			p.sees("bar 1: 10%")
			p.sees("The dataset is here: 10 files", "The dataset is prepared as yolo", "The training process has started")

			p.types("x")
			p.sees("bar 1: 100%", "epoch 1 of 3", "epoch 1/3 ━", " 33%")
			if c.columns > 80 {
				p.sees("epoch 1 of 3 mAP50-95=0.6 best=0.6 best_epoch=1", "mAP50-95 0.6")
			}
			p.sees("↑ best.pt")
			p.types("x")
			p.until("the bar without rows below it", func(screen string) bool {
				return strings.Contains(screen, "bar 2: 10%") && !strings.Contains(screen, "━")
			})
			p.types("x")
			p.sees("bar 2: 100%", "epoch 2 of 3", "epoch 2/3 ━")
			p.resize(c.columns-3, c.rows)
			p.types("xxx")

			p.sees("↑ ")
			if code := p.leaves(); code != 0 {
				t.Fatalf("exit code %d:\n%s", code, p.screen())
			}
			seen := p.screen()
			folded := unfolded(seen) + strings.ReplaceAll(seen, "\n", "")
			for _, want := range []string{
				"bar 1: 100%\n", "✓ succeeded", j.id, "exit code 0", "time", "download", "training", "best", "mAP50-95 0.8 in epoch 3 of 3",
				"objects", "1.9 MiB", contract.URI(bucket, contract.CheckpointKey(j.id, "best.pt")),
			} {
				if !strings.Contains(seen, want) && !strings.Contains(folded, want) {
					t.Errorf("%q is not on the screen:\n%s", want, seen)
				}
			}
			if strings.Count(folded, "Ctrl-C") > 0 || strings.Contains(folded, token) {
				t.Errorf("too much is said:\n%s", seen)
			}
			p.clean()
			if got := colours.MatchString(p.bytes()); got != (c.set == nil) {
				t.Errorf("colours: %v", got)
			}
			if os.Getenv("SHOW") != "" {
				t.Logf("\n%s", seen)
			}
		})
	}
}

func TestPersonReadsWhyAJobFailed(t *testing.T) {
	t.Parallel()
	p := newJob(t, "fails").sits(80, 50)
	if code := p.leaves(); code != 1 {
		t.Fatalf("exit code %d", code)
	}
	seen := p.screen()
	for _, want := range []string{"✗ failed TRAINING_FAILED", "exit code 1", "why", "the learning rate is a lie", "evidence", "objects", "last.pt"} {
		if !strings.Contains(seen, want) {
			t.Errorf("%q is not on the screen:\n%s", want, seen)
		}
	}
	p.clean()
}

func TestCtrlC(t *testing.T) {
	t.Run("once", func(t *testing.T) {
		t.Parallel()
		p := newJob(t, "steps").sits(90, 40)
		p.sees("bar 1: 10%")
		p.types("\x03")
		p.sees("Ctrl-C: stopping within 10s", "Press it again")
		if code := p.leaves(); code != contract.ExitStopped {
			t.Errorf("exit code %d", code)
		}
		p.sees("✗ stopped", "exit code 143 (run it again)")
		p.clean()
	})
	t.Run("three times", func(t *testing.T) {
		t.Parallel()
		j := newJob(t, "ignores-term").with("AGENT_STOP_GRACE", "1h")
		p := j.sits(90, 40)
		j.ready()
		p.types("\x03")
		p.sees("Ctrl-C: stopping within 1h0m0s")
		p.types("\x03")
		p.sees("Ctrl-C again")
		p.types("\x03")
		if code := p.leaves(); code != contract.ExitStopped {
			t.Errorf("exit code %d", code)
		}
		p.clean()
		if left := j.processes(); len(left) > 0 {
			t.Errorf("processes %v outlived the agent", left)
		}
	})
	for _, command := range []string{"run", "prepare"} {
		t.Run("while "+command+" downloads", func(t *testing.T) {
			t.Parallel()
			if err := shared.Put("datasets/slow-"+command+".zip", withBallast(t, 4<<20)); err != nil {
				t.Fatal(err)
			}
			j := newJob(t, "ok").with("DATASET_ID", "slow-"+command, "AGENT_DOWNLOAD_BANDWIDTH", "64KiB")
			args := []string{command}
			if command == "run" {
				args = append(args, "--", "true")
			}
			p := j.sits(60, 30, args...)
			p.sees("downloading ━", " left")
			p.types("\x03")
			p.sees("✗ stopped", "exit code 143")
			if code := p.leaves(); code != contract.ExitStopped {
				t.Errorf("exit code %d", code)
			}
			p.clean()
		})
	}
}

// Nothing can be done after SIGKILL, so nothing may be needed.
func TestKilledAgentLeavesAUsableTerminal(t *testing.T) {
	t.Parallel()
	if err := shared.Put("datasets/killed.zip", withBallast(t, 4<<20)); err != nil {
		t.Fatal(err)
	}
	j := newJob(t, "ok").with("DATASET_ID", "killed", "AGENT_DOWNLOAD_BANDWIDTH", "64KiB")
	p := j.sits(60, 30)
	p.sees("downloading ━", " left")
	if err := j.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if code := p.leaves(); code != 137 {
		t.Errorf("exit code %d", code)
	}
	if found := modes.FindString(p.bytes()); found != "" {
		t.Errorf("a mode was set: %q", found)
	}
}

func TestPrepareEndsWithACard(t *testing.T) {
	t.Parallel()
	p := newJob(t, "ok").sits(90, 30, "prepare")
	if code := p.leaves(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	p.sees("✓ prepared", "exit code 0", "yolo: train 6 images · val 2 images")
	p.clean()
}

func TestTerminalThatCannotMoveItsCursor(t *testing.T) {
	t.Parallel()
	j := newJob(t, "ok").with("TERM", "dumb")
	p := j.sits(80, 50)
	if code := p.leaves(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	for _, args := range [][]string{{"doctor"}, {"check"}, {"run", "--help"}} {
		q := j.sits(80, 50, args...)
		q.leaves()
		if strings.Contains(q.bytes(), "\x1b") {
			t.Errorf("%v: an escape sequence: %q", args, q.bytes())
		}
	}
	if strings.Contains(p.bytes(), "\x1b") || !strings.Contains(p.bytes(), "the job succeeded") {
		t.Errorf("%q", p.bytes())
	}
}

// run … | tee log: what comes out of the pipe appears on the same terminal without
// going through the agent, and would stand in the middle of rows.
func TestNoRowsBesideAPipeToTheSameTerminal(t *testing.T) {
	t.Parallel()
	if err := shared.Put("datasets/piped.zip", withBallast(t, 3<<19)); err != nil {
		t.Fatal(err)
	}
	j := newJob(t, "ok").with("DATASET_ID", "piped", "AGENT_DOWNLOAD_BANDWIDTH", "128KiB", "TERM", "xterm-256color")
	agent := command(j, append([]string{"run", "--"}, j.command...)...)
	cmd := exec.Command("sh", append([]string{"-c", `"$@" | cat`, "sh"}, agent.Args...)...)
	cmd.Env = slices.Concat(agent.Env, []string{"LANG=C.UTF-8"})
	p := sit(t, cmd, 100, 60)
	if code := p.leaves(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	p.sees("progress phase=downloading", "epoch 1/3 loss 1.0", "epoch 3 of 3", "✓ succeeded", "exit code 0")
	if text := p.bytes(); strings.Contains(text, "━") || strings.Contains(text, "\x1b[J") {
		t.Errorf("rows were drawn: %q", text)
	}
}

func TestQuietTellsOnlyTheEnd(t *testing.T) {
	t.Parallel()
	j := newJob(t, "ok")
	cmd := command(j, append([]string{"run", "--quiet", "--"}, j.command...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	lines := slices.DeleteFunc(strings.Split(strings.TrimSpace(stderr.String()), "\n"), func(line string) bool {
		return strings.Contains(line, " warning: ")
	})
	if len(lines) != 1 || !strings.Contains(lines[0], " the job succeeded") {
		t.Errorf("%s", stderr.String())
	}
	p := newJob(t, "ok").sits(90, 40, append([]string{"run", "-q", "--"}, j.command...)...)
	p.leaves()
	if seen := p.screen(); !strings.Contains(seen, "✓ succeeded") || strings.Contains(seen, "has started") {
		t.Errorf("%s", seen)
	}
}

// TestLogOfAPod: for a collector a fact is one line of JSON, and no line comes twice.
func TestLogOfAPod(t *testing.T) {
	t.Parallel()
	if err := shared.Put("datasets/logged.zip", withBallast(t, 3<<19)); err != nil {
		t.Fatal(err)
	}
	j := newJob(t, "ok").with("DATASET_ID", "logged", "AGENT_DOWNLOAD_BANDWIDTH", "128KiB", "AGENT_LOG_FORMAT", "json").mustExit(0)
	seen, progress := map[string]int{}, 0
	for line := range strings.Lines(j.stderr.String()) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Fatalf("not JSON: %s", line)
		}
		if fields["msg"] == "progress" {
			progress++
			for _, want := range []string{"phase", "percent", "bytes", "bytes_total", "bytes_per_second", "seconds_left"} {
				if fields[want] == nil {
					t.Errorf("no %s: %s", want, line)
				}
			}
		}
		maps.DeleteFunc(fields, func(name string, _ any) bool { return name == "time" })
		key, _ := json.Marshal(fields)
		seen[string(key)]++
	}
	for line, times := range seen {
		if times > 1 {
			t.Errorf("%d times: %s", times, line)
		}
	}
	if progress == 0 || progress > 5 {
		t.Errorf("%d lines of progress:\n%s", progress, j.stderr.String())
	}
	for _, secret := range []string{token, shared.Store.SecretKey} {
		if strings.Contains(j.stderr.String(), secret) {
			t.Error("a secret is in the log")
		}
	}
	if !strings.Contains(j.stderr.String(), `"msg":"epoch 3 of 3"`) {
		t.Errorf("epochs are not told:\n%s", j.stderr.String())
	}
}

// run … 2>&1 | less: lines for a person, without colours. A pod's are JSON
// (TestImageWithoutGlibcCarriesAJob and the images' tests see to that).
func TestPipeGetsReadableLines(t *testing.T) {
	t.Parallel()
	j := newJob(t, "ok").mustExit(0)
	text := j.stderr.String()
	if strings.ContainsAny(text, "{\x1b") || !strings.Contains(text, " epoch 3 of 3 ") || !strings.Contains(text, " the job succeeded") {
		t.Errorf("%s", text)
	}
}

func TestConvertDrawsABarOnATerminal(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data := filepath.Join(dir, "tiny.zip")
	if err := os.WriteFile(data, tinyDataset(), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, columns := range []int{40, 100} {
		cmd := exec.Command(shared.agent, "convert", "--from", data, "--task", "object_detection", "--dry-run")
		cmd.Env = []string{"TERM=xterm", "PATH=" + os.Getenv("PATH")}
		p := sit(t, cmd, columns, 30)
		if code := p.leaves(); code != 0 {
			t.Fatalf("exit code %d:\n%s", code, p.screen())
		}
		if text := colours.ReplaceAllString(p.bytes(), ""); !strings.Contains(text, "images ━") || !strings.Contains(text, "100%") {
			t.Errorf("no bar: %q", text)
		}
		p.sees("train")
		p.clean()
	}
}
