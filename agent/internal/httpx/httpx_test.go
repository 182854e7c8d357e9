package httpx_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/agent/internal/httpx"
	"github.com/vision-platform/trainer-agent/contract"
)

func TestProxiesInBothSpellings(t *testing.T) {
	for name, env := range map[string]map[string]string{
		"upper case": {"HTTP_PROXY": "http://proxy.test:1", "HTTPS_PROXY": "http://proxy.test:2", "NO_PROXY": "direct.test"},
		"lower case": {"http_proxy": "http://proxy.test:1", "https_proxy": "http://proxy.test:2", "no_proxy": "direct.test"},
	} {
		proxy := httpx.Proxy(func(k string) string { return env[k] })
		for address, want := range map[string]string{
			"http://a.test/": "http://proxy.test:1", "https://a.test/": "http://proxy.test:2", "http://direct.test/": "", "https://direct.test/": "",
		} {
			got, err := proxy(httptest.NewRequest(http.MethodGet, address, nil))
			if err != nil || (got == nil) != (want == "") || got != nil && got.String() != want {
				t.Errorf("%s: to %s through %v (%v), want %q", name, address, got, err, want)
			}
		}
	}
}

func TestAUselessCAFileIsAConfigurationFailure(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{empty, empty + ".missing"} {
		_, err := httpx.Roots(file)
		f, ok := errors.AsType[*contract.Failure](err)
		if !ok || f.Code != contract.CodeConfigInvalid || f.Hint == "" || !strings.Contains(f.Message, file) {
			t.Errorf("%s: %v", file, err)
		}
	}
	if roots, err := httpx.Roots(""); roots != nil || err != nil {
		t.Errorf("no file is the system's: %v, %v", roots, err)
	}
}
