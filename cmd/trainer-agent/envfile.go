package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/joho/godotenv"

	"github.com/vision-platform/trainer-agent/agent/config"
)

// fromFile is what commands that read a job's settings embed.
type fromFile struct {
	EnvFile []string `name:"env-file" type:"path" placeholder:"FILE" sep:"none" help:"File of NAME=VALUE lines; what the environment has already wins. May be given several times."`
}

// fromFiles is a command with settings in files.
type fromFiles interface{ loadSettings() error }

// loadSettings sets what the environment lacks, before the command runs.
func (f fromFile) loadSettings() error {
	for _, file := range f.EnvFile {
		if err := loadEnvFile(file); err != nil {
			return err
		}
	}
	return nil
}

// secretFiles are those that hold a secret.
func (f fromFile) secretFiles() (files []string) {
	for _, file := range f.EnvFile {
		values, _ := godotenv.Read(filepath.Clean(file)) // it was read before
		for name, value := range values {
			if slices.Contains(config.SecretNames(), name) && !strings.HasSuffix(name, "_FILE") || config.LooksSecret(name, value) {
				files = append(files, file)
				break
			}
		}
	}
	return files
}

// names are the variables that the files set.
func (f fromFile) names() map[string]bool {
	names := map[string]bool{}
	for _, file := range f.EnvFile {
		values, _ := godotenv.Read(filepath.Clean(file)) // it was read before
		for name := range values {
			names[name] = true
		}
	}
	return names
}

// loadEnvFile reads lines as a shell's: NAME=VALUE, with or without export and
// quotes, and comments. Of $NAME in a value without single quotes the shell's rules hold.
func loadEnvFile(file string) error {
	values, err := godotenv.Read(filepath.Clean(file))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no file %s (--env-file)", file)
	}
	if err != nil {
		return fmt.Errorf("%s is no file of NAME=VALUE lines: %w", file, err)
	}
	for name, value := range values {
		if os.Getenv(name) == "" {
			if err := os.Setenv(name, value); err != nil {
				return fmt.Errorf("%s: %s: %w", file, name, err)
			}
		}
	}
	return nil
}
