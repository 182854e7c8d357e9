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
			files = append(files, ofAWS(filepath.Join(home, ".aws"))...)
		}
	}
	for _, name := range names {
		files = append(files, value(name))
	}
	for _, pair := range environ { // the files of other people's secrets, whose variables are withheld
		if name, path, _ := strings.Cut(pair, "="); strings.HasSuffix(strings.ToUpper(name), "_FILE") && !cfg.passes(name, path) {
			files = append(files, path)
		}
	}
	return existing(files)
}

// ofAWS are the files in which AWS's tools keep keys and the tokens of logins.
func ofAWS(folder string) []string {
	files := []string{filepath.Join(folder, "credentials"), filepath.Join(folder, "config")}
	for _, cache := range []string{"sso", "cli"} {
		kept, _ := filepath.Glob(filepath.Join(folder, cache, "cache", "*"))
		files = append(files, kept...)
	}
	return files
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
