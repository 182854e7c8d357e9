// Package httpx knows what is particular about the network of a node: its proxies,
// certificate authorities beside the system's, and connections that stand still. It
// promises that every connection of the agent to the outside treats them in the
// same way, and that none waits for ever. It leaves retries and what is said over a
// connection to those who make it.
package httpx

import (
	"crypto/x509"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/net/http/httpproxy"

	"github.com/vision-platform/trainer-agent/contract"
)

// Proxy is an http.Transport's: HTTP_PROXY, HTTPS_PROXY and NO_PROXY, in both
// spellings.
func Proxy(getenv func(string) string) func(*http.Request) (*url.URL, error) {
	either := func(name string) string {
		if v := getenv(name); v != "" {
			return v
		}
		return getenv(strings.ToLower(name))
	}
	config := httpproxy.Config{HTTPProxy: either("HTTP_PROXY"), HTTPSProxy: either("HTTPS_PROXY"), NoProxy: either("NO_PROXY")}
	proxy := config.ProxyFunc()
	return func(r *http.Request) (*url.URL, error) { return proxy(r.URL) }
}

// Getenv looks names up in an environment of NAME=value, where the last of its name
// counts; "" is what is not there.
func Getenv(environ []string) func(name string) string {
	return func(name string) (value string) {
		for _, pair := range environ {
			if v, ok := strings.CutPrefix(pair, name+"="); ok {
				value = v
			}
		}
		return value
	}
}

// Roots are the system's certificate authorities and those of PEM files; "" is no file.
// Without one it returns nil, which means the system's. An error is a CONFIG_INVALID.
func Roots(files ...string) (roots *x509.CertPool, err error) {
	for _, file := range files {
		if file == "" {
			continue
		}
		pem, err := os.ReadFile(filepath.Clean(file))
		if err != nil {
			return nil, contract.Failf(contract.CodeConfigInvalid, "the CA file cannot be read: %w.", err).
				WithHint("Mount the file, or correct or unset the variable that names it (AGENT_CA_FILE, AWS_CA_BUNDLE).")
		}
		if roots == nil {
			roots = system()
		}
		if !roots.AppendCertsFromPEM(pem) {
			return nil, contract.Failf(contract.CodeConfigInvalid, "the CA file %s holds no PEM certificate.", file).
				WithHint("It must hold blocks that begin with -----BEGIN CERTIFICATE-----.")
		}
	}
	return roots, nil
}

func system() *x509.CertPool {
	if roots, err := x509.SystemCertPool(); err == nil {
		return roots
	}
	return x509.NewCertPool()
}
