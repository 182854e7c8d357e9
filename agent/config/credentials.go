package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// SecretFolders are where container runtimes mount secrets.
var SecretFolders = []string{"/run/secrets", "/var/run/secrets"}

// storeFiles are the variables by which an SDK finds credentials in files.
var storeFiles = []string{
	"AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE",
	"GOOGLE_APPLICATION_CREDENTIALS", "AZURE_FEDERATED_TOKEN_FILE",
}

// CredentialFiles are the files of credentials that the agent was given: those that
// variables name, and those that the store's SDK finds by itself. What is passed on to
// the child (AGENT_PASS_CREDENTIALS) is not among them.
func (cfg *Config) CredentialFiles(environ []string) (files []string) {
	value := func(name string) string {
		for _, pair := range environ {
			if v, found := strings.CutPrefix(pair, name+"="); found {
				return v
			}
		}
		return ""
	}
	names := []string{"OTEL_EXPORTER_OTLP_CLIENT_KEY", "OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", "CALLBACK_TOKEN_FILE"}
	if !cfg.PassCredentials {
		names = append(names, storeFiles...)
		for _, name := range SecretNames() {
			if strings.HasSuffix(name, "_FILE") {
				names = append(names, name)
			}
		}
		if home := value("HOME"); home != "" {
			files = append(files, filepath.Join(home, ".aws", "credentials"))
		}
	}
	for _, name := range names {
		files = append(files, value(name))
	}
	return existing(files)
}

func existing(paths []string) (list []string) {
	for _, path := range paths {
		abs, err := filepath.Abs(path)
		if path == "" || err != nil || slices.Contains(list, abs) {
			continue
		}
		if info, err := os.Stat(abs); err == nil && !info.IsDir() {
			list = append(list, abs)
		}
	}
	return list
}
