package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/joho/godotenv"
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

// loadEnvFile reads lines as a shell's: NAME=VALUE, with or without export and
// quotes, and comments. Of $NAME in a value without single quotes the shell's rules hold.
func loadEnvFile(file string) error {
	values, err := godotenv.Read(filepath.Clean(file))
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
