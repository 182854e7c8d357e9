package hub_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/hub"
	"github.com/vision-platform/trainer-agent/hub/submission"
	"github.com/vision-platform/trainer-agent/testdata/need"
	"github.com/vision-platform/trainer-agent/testdata/zips"
	"github.com/vision-platform/trainer-agent/trainers/kit"
)

// intruders send packages to a hub that scans them and runs none of their code.
type intruders struct {
	running
	client
	sent int // each from an address of its own: one may send twenty at once
}

func startIntruders(t *testing.T) *intruders {
	t.Helper()
	proof := hub.Proof{AllowUnscanned: []string{"malware", "dependencies"}}
	r := start(t, hub.Config{BehindProxy: true, Stages: hub.Stages{submission.Scanning: proof.Stages()[submission.Scanning]}})
	return &intruders{running: r, client: r.client(t, "ann")}
}

// send uploads a package. What is taken goes its way to the end.
func (i *intruders) send(t *testing.T, body string) (got reply, end validation) {
	t.Helper()
	i.sent++
	got = i.upload(t, "?dry_run=true", []part{{"file", body}}, "X-Forwarded-For", fmt.Sprintf("192.0.2.%d", i.sent))
	if got.status != http.StatusAccepted {
		return got, end
	}
	var taken struct {
		ID string `json:"validation_job_id"`
	}
	got.into(t, &taken)
	i.follow(t, taken.ID)
	return got, i.get(t, taken.ID)
}

// nothing checks that of a refused upload there is nothing, and of one that ended nothing but its
// package: no name is taken, no work left.
func (i *intruders) nothing(t *testing.T, taken int) {
	t.Helper()
	data := i.config.DataDir
	if incoming, work := glob(data, "packages", "incoming", "*"), glob(data, "work", "*"); len(incoming)+len(work) > 0 {
		t.Errorf("left behind: %v %v", incoming, work)
	}
	if kept := glob(data, "packages", "??", "*.zip"); len(kept) > taken {
		t.Errorf("%d packages are kept of %d that were taken", len(kept), taken)
	}
	db, err := hub.OpenDatabase(t.Context(), data, "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	for question, want := range map[string]int{
		`SELECT COUNT(*) FROM submissions`: taken, `SELECT COUNT(*) FROM arrivals`: 0, `SELECT COUNT(*) FROM tasks`: 0, `SELECT COUNT(*) FROM trainers`: 0, `SELECT COUNT(*) FROM versions`: 0,
	} {
		var got int
		if err := db.QueryRowContext(t.Context(), question).Scan(&got); err != nil || got != want {
			t.Errorf("%s: %d, want %d, %v", question, got, want, err)
		}
	}
}

// problem checks that an upload was refused by an RFC 9457 problem that names the field and the fix.
func problem(t *testing.T, got reply, field, fix string) {
	t.Helper()
	var told struct {
		Title, Detail string
		Status        int
		Errors        []struct{ Location, Message string }
	}
	got.into(t, &told)
	if got.header.Get("Content-Type") != "application/problem+json" || told.Status != got.status || told.Title == "" || told.Detail == "" {
		t.Errorf("no problem: %+v", got)
	}
	if len(told.Errors) != 1 || told.Errors[0].Location != field || !strings.Contains(told.Errors[0].Message, fix) {
		t.Errorf("want %s: %s, got %s", field, fix, got.body)
	}
}

// Every package of testdata/packages goes through a hub's upload and its scan. Those that are refused
// at once, or by the scan, end here; what the others do when they run is looked at in trainers/kit.
func TestHostilePackagesAreUploaded(t *testing.T) {
	refused := map[string]string{"capabilities-lie": `"1" is no semantic version such as 1.4.0`} // by the fix; at once
	starter := filepath.Join(t.TempDir(), "cell-counter")
	if err := kit.Write(starter, "cell-counter", "plain"); err != nil {
		t.Fatal(err)
	}
	all, err := filepath.Glob(filepath.Join(need.Repository(), "testdata", "packages", "*.txtar"))
	if err != nil || len(all) < 20 {
		t.Fatalf("%d packages, %v", len(all), err)
	}
	i, taken := startIntruders(t), 0
	for _, file := range all {
		content, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		got, end := i.send(t, pack(t, overlaid(t, starter, content.Files)))
		rule, scanned := securityRule(string(content.Comment))
		switch fix := refused[name]; {
		case fix != "":
			if got.status != http.StatusUnprocessableEntity {
				t.Errorf("%s: %d %s", name, got.status, got.body)
				continue
			}
			problem(t, got, "body.metadata.version", fix)
		case got.status != http.StatusAccepted:
			t.Errorf("%s: %d %s", name, got.status, got.body)
		case scanned && (end.State != submission.Rejected || !end.found(rule)):
			t.Errorf("%s: want %s, got %s %+v", name, rule, end.State, end.Steps)
		case !scanned && end.State != submission.Proven:
			t.Errorf("%s: %s %+v", name, end.State, end.Steps)
		default:
			taken++
		}
	}
	i.nothing(t, taken)
}

// securityRule is the rule by which the scan refuses a package, when it is the scan that does.
func securityRule(comment string) (rule string, scanned bool) {
	for line := range strings.Lines(comment) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		if key == "rule" {
			rule = value
		}
		scanned = scanned || key == "step" && value == "security"
	}
	return rule, scanned
}

// found says whether a finding with that rule refuses it.
func (v validation) found(rule string) bool {
	return slices.ContainsFunc(v.Steps, func(s contract.StepReport) bool {
		return slices.ContainsFunc(s.Findings, func(f contract.Finding) bool {
			return f.Rule == rule && f.Severity == contract.SeverityError && f.Fix != ""
		})
	})
}

// overlaid are the files of a package, without its sample, with others laid over them.
func overlaid(t *testing.T, dir string, over []txtar.File) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(name, "sample/") {
			return err
		}
		body, err := os.ReadFile(filepath.Join(dir, name))
		files[name] = string(body)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range over {
		if files[f.Name] = string(f.Data); string(f.Data) == "(none)\n" {
			delete(files, f.Name)
		}
	}
	return files
}

// Archives are refused when they are uploaded, where the hub cannot read what they are, and by the
// scan before anything of them is unpacked; an author hears either.
func TestHostileArchivesAreUploaded(t *testing.T) {
	i, taken := startIntruders(t), 0
	good := readable(t, func(*zip.Writer) error { return nil })
	for name, c := range map[string]struct{ body, fix string }{
		"no zip":                 {"hello", "zip the folder that has train.py"},
		"nothing":                {"", "zip the folder that has train.py"},
		"torn":                   {good[:len(good)-5], "zip the folder that has train.py"},
		"a directory of nothing": {strings.Repeat("PK\x01\x02"+strings.Repeat("\x00", 42), 20_000), "zip the folder that has train.py"},
		"no capabilities":        {pack(t, map[string]string{"train.py": ""}), "it must be at the top of the zip"},
		"capabilities of a bomb": {pack(t, map[string]string{"capabilities.json": strings.Repeat(" ", 8<<20)}), "more than 1048576 bytes"},
		"capabilities are a link": {archived(t, func(w *zip.Writer) error {
			return zips.Add(w, "capabilities.json", "/etc/passwd", fs.ModeSymlink|0o777)
		}), "it must be at the top of the zip"},
	} {
		t.Run(name, func(t *testing.T) {
			got, _ := i.send(t, c.body)
			if got.status != http.StatusUnprocessableEntity {
				t.Fatalf("%d %s", got.status, got.body)
			}
			problem(t, got, "body.file", c.fix)
		})
	}
	i.nothing(t, 0)
	for rule, fill := range map[string]func(*zip.Writer) error{
		"archive.path": func(w *zip.Writer) error { return zips.Add(w, "../../tmp/x", "x", 0) },
		"archive.link": func(w *zip.Writer) error { return zips.Add(w, "train.py", "/etc/passwd", fs.ModeSymlink|0o777) },
		"archive.name": func(w *zip.Writer) error { return zips.Add(w, "caf\xe9.py", "", 0) },
		"archive.collision": func(w *zip.Writer) error {
			return errors.Join(zips.Add(w, "Train.py", "", 0), zips.Add(w, "train.py", "", 0))
		},
		"archive.bomb": func(w *zip.Writer) error { return zips.Add(w, "zeros", strings.Repeat("\x00", 16<<20), 0) },
		"archive.files": func(w *zip.Writer) (err error) {
			for n := range 6_000 {
				err = errors.Join(err, zips.Add(w, strconv.Itoa(n), "", 0))
			}
			return err
		},
	} {
		t.Run(rule, func(t *testing.T) {
			got, end := i.send(t, readable(t, fill))
			if taken++; got.status != http.StatusAccepted || end.State != submission.Rejected || !end.found(rule) {
				t.Errorf("%d %s: %s %+v", got.status, got.body, end.State, end.Steps)
			}
		})
	}
	i.nothing(t, taken)
}

// readable is an archive that the upload takes: it has a good capabilities.json.
func readable(t *testing.T, fill func(*zip.Writer) error) string {
	t.Helper()
	return archived(t, func(w *zip.Writer) error {
		return errors.Join(zips.Add(w, "capabilities.json", capabilities("cell-counter", "0.1.0")["capabilities.json"], 0), fill(w))
	})
}

func archived(t *testing.T, fill func(*zip.Writer) error) string {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	if err := errors.Join(fill(w), w.Close()); err != nil {
		t.Fatal(err)
	}
	return out.String()
}
