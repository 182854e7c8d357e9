package storage

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/contract"
)

// onlyFiles leaves the SDK the files of one folder, and no variable.
func onlyFiles(t *testing.T, dir string) {
	t.Helper()
	for _, pair := range os.Environ() {
		if name, _, _ := strings.Cut(pair, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "")
		}
	}
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(dir, "config"))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(dir, "credentials"))
}

// HOME is the trainings' too: what one left there must not run, nor lead a token away, when
// the next job's agent looks for keys.
func TestAProfileSaysWhoAsksAndNothingElse(t *testing.T) {
	const keys = "aws_access_key_id = AKIA\naws_secret_access_key = secret\n"
	const role = "role_arn = arn:aws:iam::123456789012:role/x\n"
	const login = "sso_start_url = https://x.awsapps.com/start\nsso_region = eu-west-1\nsso_account_id = 123456789012\nsso_role_name = x\n"
	web := map[string]string{"AWS_WEB_IDENTITY_TOKEN_FILE": "/run/token", "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/x"}
	for name, c := range map[string]struct {
		config  string
		env     map[string]string
		refused string // the setting
	}{
		"keys":                            {config: keys + "region = eu-west-1\n"},
		"a login":                         {config: login},
		"a role":                          {config: role + "source_profile = other\n[profile other]\n" + keys},
		"nothing":                         {},
		"a program":                       {config: "credential_process = touch ran\n", refused: "credential_process"},
		"a program of another profile":    {config: role + "source_profile = other\n[profile other]\ncredential_process = touch ran\n", refused: "credential_process"},
		"a program, with keys":            {config: keys + "credential_process = touch ran\n"},
		"a token's path":                  {config: role + "web_identity_token_file = /run/token\n", refused: "web_identity_token_file"},
		"another STS":                     {config: "endpoint_url = http://127.0.0.1:1\n", env: web, refused: "endpoint_url"},
		"another STS among services":      {config: "services = s\n[services s]\nsts =\n  endpoint_url = http://127.0.0.1:1\n", env: web, refused: "endpoint_url"},
		"another STS that is not asked":   {config: keys + "endpoint_url = http://127.0.0.1:9000\n"},
		"another STS that is ignored":     {config: "endpoint_url = http://127.0.0.1:1\n", env: map[string]string{"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true", "AWS_WEB_IDENTITY_TOKEN_FILE": "/run/token", "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/x"}},
		"another service of logins":       {config: login + "endpoint_url = http://127.0.0.1:1\n", refused: "endpoint_url"},
		"other certificates":              {config: "ca_bundle = CERTIFICATES\n", env: web, refused: "ca_bundle"},
		"another metadata service":        {config: "ec2_metadata_service_endpoint = http://127.0.0.1:1\n", refused: "ec2_metadata_service_endpoint"},
		"a region of other buckets":       {config: keys + "region = cn-north-1\n", refused: "region=cn-north-1"},
		"that region, set by a variable":  {config: keys + "region = cn-north-1\n", env: map[string]string{"AWS_REGION": "cn-north-1"}},
		"a login where another is source": {config: role + "source_profile = other\n[profile other]\n" + login},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			onlyFiles(t, dir)
			for name, value := range c.env {
				t.Setenv(name, value)
			}
			text := strings.ReplaceAll("[default]\n"+c.config, "CERTIFICATES", certificate(t, dir))
			if err := os.WriteFile(filepath.Join(dir, "config"), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, _, err := credentialsOf(t.Context(), Config{Type: contract.StorageS3, Bucket: bucket}.withDefaults(), &http.Client{})
			if c.refused == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			f := contract.AsFailure(err)
			if f == nil || f.Code != contract.CodeConfigInvalid || !strings.Contains(f.Message, filepath.Join(dir, "config")) || !strings.Contains(f.Message, " sets "+c.refused) {
				t.Errorf("%v", err)
			}
		})
	}
}

// certificate writes a file that the SDK takes for certificates.
func certificate(t *testing.T, dir string) string {
	t.Helper()
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	path := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A program of the operator's stays one: no training can write where root's files are.
func TestAFileIsGuardedWhereNoTrainingCanHaveWrittenIt(t *testing.T) {
	own := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(own, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink("/etc/passwd", link); err != nil {
		t.Fatal(err)
	}
	root := os.Geteuid() == 0
	for _, c := range []struct {
		path  string
		apart bool
		want  bool
	}{
		{"/etc/passwd", false, !root},
		{"/etc/none/config", false, !root},
		{"/etc/passwd", true, true},
		{link, true, false}, // in a temporary folder of everybody's
		{own, true, false},
		{own, false, false},
	} {
		if got := guarded(c.path, c.apart); got != c.want {
			t.Errorf("%s, apart %v: %v", c.path, c.apart, got)
		}
	}
}
