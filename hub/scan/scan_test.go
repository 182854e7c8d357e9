package scan

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/testdata/need"
)

// eicar is the file that every scanner knows and that does nothing.
const eicar = `X5O!P%@AP[4\PZX54(P^)7CC)7}$` + `EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*`

func packaged(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, body := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// clamd starts the real scanner with the one signature that the tests need.
func clamd(t *testing.T) string {
	t.Helper()
	program := need.Program(t, "clamd", "apt install clamav-daemon")
	dir, err := os.MkdirTemp("", "clamd") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	for name, body := range map[string]string{
		"eicar.hdb":  "44d88612fea8a8f36de82e1278abb02f:68:Eicar-Test-Signature\n",
		"clamd.conf": "LocalSocket " + socket + "\nDatabaseDirectory " + dir + "\nForeground yes\nStreamMaxLength 1M\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(body), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var said bytes.Buffer
	cmd := exec.CommandContext(t.Context(), program, "--config-file", filepath.Join(dir, "clamd.conf"))
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &said, &said, time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for range 300 { // it opens its socket when its signatures are loaded
		if conn, err := net.Dial("unix", socket); err == nil {
			_ = conn.Close()
			return "unix:" + socket
		}
		<-time.After(50 * time.Millisecond)
	}
	t.Fatalf("clamd does not answer: %s", said.String())
	return ""
}

// advisories are the records, the newest of them of a time.
func advisories(t *testing.T, newest time.Time) *Database {
	t.Helper()
	files := maps.Clone(records)
	files["another-ecosystem.json"] = strings.Replace(files["another-ecosystem.json"], "2024-01-01T00:00:00Z", newest.UTC().Format(time.RFC3339), 1)
	return &Database{Path: archive(t, files)}
}

// records are real advisories, cut to the fields that are read; the last is made up, in
// the form of those of malicious packages.
var records = map[string]string{
	"GHSA-3f63-hfp8-52jq.json": `{"id":"GHSA-3f63-hfp8-52jq","modified":"2024-02-16T08:02:21Z","summary":"Arbitrary Code Execution in Pillow","affected":[{"package":{"ecosystem":"PyPI","name":"pillow"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"10.2.0"}]}]}]}`,
	"GHSA-53q9-r3pm-6pq6.json": `{"id":"GHSA-53q9-r3pm-6pq6","modified":"2025-05-28T19:44:20Z","summary":"PyTorch: torch.load with weights_only=True leads to remote code execution","affected":[{"package":{"ecosystem":"PyPI","name":"torch"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"2.6.0"}]}]}]}`,
	"withdrawn.json":           `{"id":"PYSEC-0","modified":"2024-01-01T00:00:00Z","withdrawn":"2024-01-02T00:00:00Z","affected":[{"package":{"ecosystem":"PyPI","name":"numpy"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"}]}]}]}`,
	"another-ecosystem.json":   `{"id":"GO-1","modified":"2024-01-01T00:00:00Z","affected":[{"package":{"ecosystem":"Go","name":"numpy"},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"}]}]}]}`,
	"MAL-2024-1.json":          `{"id":"MAL-2024-1","modified":"2024-01-01T00:00:00Z","affected":[{"package":{"ecosystem":"PyPI","name":"Tensor_Flow.cpu"},"versions":["1.0","1.1"]}]}`,
}

func archive(t *testing.T, files map[string]string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "all.zip")
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := zip.NewWriter(out)
	for name, body := range files {
		f, err := w.Create(name)
		if err == nil {
			_, err = io.WriteString(f, body)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), out.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

func said(reports []contract.StepReport) (all []string) {
	for _, r := range reports {
		for _, f := range r.Findings {
			all = append(all, fmt.Sprintf("%s %s:%d", f.Rule, f.File, f.Line))
		}
	}
	return all
}

// wide is ASCII text as UTF-16.
func wide(text string) string {
	var out strings.Builder
	for _, c := range []byte(text) {
		out.Write([]byte{c, 0})
	}
	return out.String()
}

// A package with everything wrong ends in one finding for each, at its line; the same
// package without them passes every scan. The scanners are the real ones.
func TestEveryScanFindsItsDanger(t *testing.T) {
	key := "AKIA" + "Q3EGRVXCN7MBZ2TY"
	tools := Tools{Vulnerabilities: advisories(t, time.Now()), Clamd: clamd(t)}
	reports := Run(t.Context(), packaged(t, map[string]string{
		"requirements.txt": "# pinned\nPillow==9.0.0\nnumpy==2.4.6\ntorch[cuda]==2.6.0 ; python_version > '3'\ntensor-flow-cpu==1.1\n", "train.py": "import os\n\n\nKEY = '" + key + "' # gitleaks:allow\n", "empty.py": "",
		"w.pkl": "cos\nsystem\n(tR.", "tool.com": eicar, "wide.ps1": "\xff\xfe" + wide("#\n$key='"+key+"'\n"),
	}), tools)
	want := []string{"pickle.code w.pkl:0", "secret.aws-access-token train.py:4", "secret.aws-access-token wide.ps1:2", "vulnerability.GHSA-3f63-hfp8-52jq requirements.txt:2", "malware.MAL-2024-1 requirements.txt:5", "malware.found tool.com:0"}
	if got := said(reports); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, r := range reports {
		if r.Status != contract.StepFailed {
			t.Errorf("%+v", r)
		}
		for _, f := range r.Findings {
			if f.Fix == "" || strings.Contains(f.Text+f.Fix, key) {
				t.Errorf("%+v", f)
			}
		}
	}
	for _, r := range Run(t.Context(), packaged(t, map[string]string{"requirements.txt": "numpy==2.4.6\n", "train.py": "print()\n"}), tools) {
		if r.Status != contract.StepPassed {
			t.Errorf("%+v", r)
		}
	}
	// What clamd does not read whole is not called clean: its author is told which file it is.
	known := tools
	known.ClamdMax = 2 << 20
	unseen := Run(t.Context(), packaged(t, map[string]string{"requirements.txt": "", "data": strings.Repeat("x", 3<<20)}), known)[3].Findings
	if len(unseen) != 1 || unseen[0].Rule != "unscanned.malware" || unseen[0].File != "data" || !strings.Contains(unseen[0].Text, "2 MiB") {
		t.Errorf("%+v", unseen)
	}
	large := Run(t.Context(), packaged(t, map[string]string{"requirements.txt": "", "data": strings.Repeat("x", 3<<20)}), tools)
	if r := large[3]; r.Status != contract.StepError || !strings.Contains(r.Findings[0].Text, "clamd") {
		t.Errorf("%+v", r)
	}
}

// What is installed is compared as well: a package that nobody named may be the vulnerable one.
func TestInstalledWheelsAreCompared(t *testing.T) {
	wheels := []Requirement{{Name: "pillow", Version: "9.0.0"}, {Name: "numpy", Version: "2.4.6"}, {Name: "tensor_flow_cpu", Version: "1.0"}}
	found, err := Tools{Vulnerabilities: advisories(t, time.Now())}.Wheels(wheels)
	if err != nil || len(found) != 2 || found[0].Rule != "vulnerability.GHSA-3f63-hfp8-52jq" || found[1].Rule != "malware.MAL-2024-1" {
		t.Errorf("%+v, %v", found, err)
	}
	if _, err := (Tools{Vulnerabilities: &Database{Path: "nowhere.zip"}}).Wheels(wheels); err == nil {
		t.Error("data that cannot be read is no error")
	}
}

func TestAMissingScannerIsNoPass(t *testing.T) {
	dir := packaged(t, map[string]string{"requirements.txt": ""})
	for name, tools := range map[string]Tools{"none": {}, "clamd is away": {Clamd: "unix:/nowhere"}} {
		reports := Run(t.Context(), dir, tools)
		if reports[2].Status != contract.StepError || reports[3].Status != contract.StepError {
			t.Errorf("%s: %+v", name, reports)
		}
	}
	old := advisories(t, time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC))
	if r := Run(t.Context(), dir, Tools{Vulnerabilities: old})[2]; r.Status != contract.StepError || !strings.Contains(r.Findings[0].Text, "days old") || r.Facts["data_of"] != "2025-06-01" {
		t.Errorf("%+v", r)
	}
}

// Ranges as osv-schema defines them.
func TestRanges(t *testing.T) {
	two := []event{{Introduced: "1.0"}, {Fixed: "1.5"}, {Introduced: "2.0rc1"}, {LastAffected: "2.3"}}
	for have, want := range map[string]string{
		"0.9": "no", "1.0": "1.5", "1.4.post1": "1.5", "1.5": "no", "1.5.dev1": "1.5", "2.0rc1": "", "2.0b1": "no", "2.3": "", "2.3.1": "no", "3!1.0": "no",
	} {
		k := advisory{ranges: [][]event{two}}
		affected, fix := k.affects(parsed(t, have))
		if got := map[bool]string{true: fix, false: "no"}[affected]; got != want {
			t.Errorf("%s: %q, want %q", have, got, want)
		}
	}
	unsorted := advisory{ranges: [][]event{{{Fixed: "2.0"}, {Introduced: "0"}}}}
	if affected, fix := unsorted.affects(parsed(t, "1.0")); !affected || fix != "2.0" {
		t.Errorf("%v %q", affected, fix)
	}
	legacy := advisory{versions: []string{"2004d", "1.0"}, ranges: [][]event{{{Introduced: "2004d"}}}}
	if affected, _ := legacy.affects(parsed(t, "1.0.0")); !affected {
		t.Error("the versions that are named do not count")
	}
}

func TestADatabaseThatCannotBeReadWholeIsNone(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"torn": {"a.json": `{"id":`}, "empty": {}, "other": {"another.json": records["another-ecosystem.json"]},
	} {
		if a, err := ReadAdvisories(archive(t, files)); err == nil {
			t.Errorf("%s: %+v", name, a)
		}
	}
}

func TestSyncReplacesTheDatabaseByAWholeOneOnly(t *testing.T) {
	good, err := os.ReadFile(archive(t, records))
	if err != nil {
		t.Fatal(err)
	}
	body, status := good, http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write(body)
	}))
	defer server.Close()
	to := filepath.Join(t.TempDir(), "pypi.zip")
	running := &Database{Path: to}
	if _, err := running.Current(); err == nil {
		t.Error("a database without a file")
	}
	if a, err := Sync(t.Context(), server.URL, to); err != nil || a.Count != 3 {
		t.Fatalf("%+v %v", a, err)
	}
	if a, err := running.Current(); err != nil || a.Count != 3 {
		t.Errorf("a hub that runs does not see it: %+v %v", a, err)
	}
	body = good[:len(good)-30]
	_, torn := Sync(t.Context(), server.URL, to)
	status = http.StatusNotFound
	_, gone := Sync(t.Context(), server.URL, to)
	if torn == nil || gone == nil {
		t.Errorf("%v %v", torn, gone)
	}
	if _, err := ReadAdvisories(to); err != nil {
		t.Errorf("the database of before is gone: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(to), ".*")); len(left) > 0 {
		t.Errorf("left %v", left)
	}
}

// What is compared with the advisories is what pip would install.
func TestRequirementsAreReadAsPipReadsThem(t *testing.T) {
	pinned, loose, included := parseRequirements("\ufeffa==1\n# hidden\rb==2\n\u00a0c==3 # d==4\n-r more.txt\n--require-hashes\ne>=5\n./f.whl\n")
	if want := []Requirement{{"a", "1", 1}, {"b", "2", 2}, {"c", "3", 3}}; !slices.Equal(pinned, want) {
		t.Errorf("pinned %v", pinned)
	}
	if want := []Requirement{{"e", "", 6}, {"./f.whl", "", 7}}; !slices.Equal(loose, want) {
		t.Errorf("not pinned %v", loose)
	}
	if !slices.Equal(included, []int{4}) {
		t.Errorf("included %v", included)
	}
}

// +cu118 names a build: what is known of the release holds for it.
func TestABuildOfARelease(t *testing.T) {
	known := &Advisories{of: map[string][]advisory{"torch": {{id: "A", versions: []string{"2.0.0"}}, {id: "B", ranges: [][]event{{{Introduced: "0"}, {LastAffected: "2.0.0"}}}}}}}
	if found := known.Match(Requirement{"torch", "2.0.0+cu118", 1}); len(found) != 2 {
		t.Errorf("%+v", found)
	}
	if found := known.Match(Requirement{"torch", "2.0.1+cu118", 1}); len(found) != 0 {
		t.Errorf("%+v", found)
	}
}

// Without the file there is nothing to compare, which is no fault of the hub; one that is
// larger than what is read is refused, and not read in part.
func TestRequirementsThatAreMissingOrTooLarge(t *testing.T) {
	tools := Tools{Vulnerabilities: advisories(t, time.Now())}
	if r := Run(t.Context(), packaged(t, map[string]string{"train.py": ""}), tools)[2]; r.Status != contract.StepPassed || len(r.Findings) > 0 {
		t.Errorf("%+v", r)
	}
	large := strings.Repeat("#\n", maxRequirements) + "Pillow==9.0.0\n"
	if r := Run(t.Context(), packaged(t, map[string]string{"requirements.txt": large}), tools)[2]; r.Status != contract.StepFailed || r.Findings[0].Rule != "dependency.size" {
		t.Errorf("%+v", r)
	}
}

// A scan that a package makes endless is ended, and the package is not called scanned.
func TestTheScanForSecretsIsBounded(t *testing.T) {
	found, _, err := secretsWithin(t.Context(), packaged(t, map[string]string{"data.txt": "x"}), time.Nanosecond)
	if err != nil || len(found) != 1 || found[0].Rule != "unscanned.secrets" || found[0].File != "data.txt" {
		t.Errorf("%+v %v", found, err)
	}
}

func FuzzRequirements(f *testing.F) {
	f.Add("Pillow==9.0.0\n-r x\na[b]===1!2.0+c ; x # y\n")
	f.Fuzz(func(t *testing.T, body string) {
		pinned, loose, _ := parseRequirements(body)
		for _, r := range slices.Concat(pinned, loose) {
			if r.Line < 1 || r.Line > 1+strings.Count(body, "\n") || !strings.Contains(body, r.Name) {
				t.Errorf("%+v", r)
			}
			if r.Version != "" {
				_ = (&Advisories{of: map[string][]advisory{Normal(r.Name): {{ranges: [][]event{{{Introduced: r.Version}}}}}}}).Match(r)
			}
		}
	})
}
