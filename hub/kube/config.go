package kube

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
)

// serviceAccount is where a pod finds how to reach the API.
const serviceAccount = "/var/run/secrets/kubernetes.io/serviceaccount"

// access is how to reach an API server and to log in.
type access struct {
	server    string
	tls       *tls.Config
	token     string
	tokenFile string // read for each request: it is renewed
}

// findAccess is that of the pod that this process runs in, else that of the kubeconfig.
func findAccess(getenv func(string) string) (access, error) {
	if host := getenv("KUBERNETES_SERVICE_HOST"); host != "" {
		return inCluster(serviceAccount, net.JoinHostPort(host, getenv("KUBERNETES_SERVICE_PORT")))
	}
	path := getenv("KUBECONFIG")
	if path == "" {
		path = filepath.Join(getenv("HOME"), ".kube", "config")
	}
	a, err := fromKubeconfig(path)
	if err != nil {
		return a, fmt.Errorf("reaching Kubernetes by %s (KUBECONFIG, as this is no pod of a cluster): %w", path, err)
	}
	return a, nil
}

func inCluster(dir, address string) (access, error) {
	a := access{server: "https://" + address, tokenFile: filepath.Join(dir, "token")}
	authority, err := os.ReadFile(filepath.Join(dir, "ca.crt"))
	if err == nil {
		_, err = os.Stat(a.tokenFile)
	}
	if err == nil {
		a.tls, err = trusting(authority)
	}
	if err != nil {
		return a, fmt.Errorf("reaching Kubernetes from a pod (its ServiceAccount's token must be mounted): %w", err)
	}
	return a, nil
}

func trusting(authority []byte) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if len(authority) == 0 {
		return config, nil
	}
	config.RootCAs = x509.NewCertPool()
	if !config.RootCAs.AppendCertsFromPEM(authority) {
		return nil, errors.New("the certificate of the authority is no PEM")
	}
	return config, nil
}

// kubeconfig has the fields that are understood; a login by a program is not.
type kubeconfig struct {
	Current  string `yaml:"current-context"`
	Contexts []struct {
		Name    string
		Context struct{ Cluster, User string }
	}
	Clusters []struct {
		Name    string
		Cluster struct {
			Server        string
			Authority     string `yaml:"certificate-authority"`
			AuthorityData string `yaml:"certificate-authority-data"`
			Insecure      bool   `yaml:"insecure-skip-tls-verify"`
		}
	}
	Users []struct {
		Name string
		User struct {
			Token           string
			TokenFile       string `yaml:"tokenFile"`
			Certificate     string `yaml:"client-certificate"`
			CertificateData string `yaml:"client-certificate-data"`
			Key             string `yaml:"client-key"`
			KeyData         string `yaml:"client-key-data"`
			Exec            any
		}
	}
}

func fromKubeconfig(path string) (a access, err error) {
	text, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		return a, err
	}
	var file kubeconfig
	if err := yaml.Unmarshal(text, &file); err != nil {
		return a, err
	}
	cluster, user, known := "", "", false
	for _, c := range file.Contexts {
		if c.Name == file.Current {
			cluster, user, known = c.Context.Cluster, c.Context.User, true
		}
	}
	if !known {
		return a, fmt.Errorf("its current-context %q is not among its contexts", file.Current)
	}
	dir := filepath.Dir(path)
	for _, c := range file.Clusters {
		if c.Name != cluster {
			continue
		}
		authority, err := either(dir, c.Cluster.Authority, c.Cluster.AuthorityData)
		if err != nil {
			return a, err
		}
		if a.tls, err = trusting(authority); err != nil {
			return a, err
		}
		a.server, a.tls.InsecureSkipVerify = strings.TrimSuffix(c.Cluster.Server, "/"), c.Cluster.Insecure //nolint:gosec // as the file says
	}
	if a.server == "" {
		return a, fmt.Errorf("it has no server of the cluster %q", cluster)
	}
	for _, u := range file.Users {
		if u.Name != user {
			continue
		}
		if u.User.Exec != nil {
			return a, fmt.Errorf("the user %q logs in by a program (exec): give one with a token or a certificate", user)
		}
		a.token, a.tokenFile = u.User.Token, beside(dir, u.User.TokenFile)
		certificate, err := either(dir, u.User.Certificate, u.User.CertificateData)
		if err != nil {
			return a, err
		}
		key, err := either(dir, u.User.Key, u.User.KeyData)
		if err != nil || len(certificate) == 0 {
			return a, err
		}
		pair, err := tls.X509KeyPair(certificate, key)
		if err != nil {
			return a, fmt.Errorf("the certificate of the user %q: %w", user, err)
		}
		a.tls.Certificates = []tls.Certificate{pair}
	}
	return a, nil
}

// either is the content of a file, or what stands in the kubeconfig itself.
func either(dir, file, data string) ([]byte, error) {
	if data != "" {
		return base64.StdEncoding.DecodeString(data)
	}
	if file == "" {
		return nil, nil
	}
	return os.ReadFile(beside(dir, file))
}

func beside(dir, file string) string {
	if file == "" || filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(dir, file)
}

// client is the HTTP client for the server.
func (a access) client() *http.Client {
	return &http.Client{Transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSClientConfig: a.tls, ForceAttemptHTTP2: true,
		TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: 30 * time.Second, IdleConnTimeout: time.Minute,
		HTTP2: &http.HTTP2Config{SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second}, // else a server that is gone is asked by the same connection for minutes
	}}
}

// header is the login.
func (a access) header() (string, error) {
	token := a.token
	if a.tokenFile != "" {
		text, err := os.ReadFile(a.tokenFile)
		if err != nil {
			return "", fmt.Errorf("reading the token for Kubernetes: %w", err)
		}
		token = strings.TrimSpace(string(text))
	}
	if token == "" {
		return "", nil
	}
	return "Bearer " + token, nil
}
