package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/vision-platform/trainer-agent/agent/config"
	"github.com/vision-platform/trainer-agent/agent/doctor"
	"github.com/vision-platform/trainer-agent/agent/settings"
	"github.com/vision-platform/trainer-agent/agent/ui"
	"github.com/vision-platform/trainer-agent/contract"
)

// DoctorCmd tries what the job will need.
type DoctorCmd struct {
	fromFile
	JSON bool `help:"Print JSON."`
}

// Help is shown below the flags.
func (DoctorCmd) Help() string {
	return `Examples:
  trainer-agent doctor
  kubectl exec POD -- trainer-agent doctor --json

Looks at the environment, the backend, the bucket (reads, and writes one small
object that it removes again), clocks, workspace, memory, /dev/shm, limits, GPU
and Python. Exits with 1 when something is red.`
}

// Run examines and prints.
func (c DoctorCmd) Run() error {
	cfg, problems := config.Load()
	examine := settings.Doctor(cfg, problems, os.Environ(), slog.New(slog.DiscardHandler))
	examine.Now = time.Now
	findings := doctor.Examine(context.Background(), examine)
	if c.JSON {
		enc := json.NewEncoder(os.Stdout)
		enc.SetIndent("", "  ")
		if err := enc.Encode(findings); err != nil {
			return err
		}
	}
	red := false
	for _, f := range findings {
		red = red || f.Grade == doctor.Red
		if !c.JSON {
			printFinding(f)
		}
	}
	if red {
		return exitCode(contract.ExitFailed)
	}
	return nil
}

var gradeColor = map[doctor.Grade]string{doctor.Green: "\x1b[32m", doctor.Yellow: "\x1b[33m", doctor.Red: "\x1b[31m"}

func printFinding(f doctor.Finding) {
	grade := fmt.Sprintf("%-6s", f.Grade)
	if ui.Color(os.Stdout, os.Getenv) {
		grade = gradeColor[f.Grade] + grade + "\x1b[0m"
	}
	fmt.Printf("%s  %-11s  %s\n", grade, f.Name, f.Text)
	if f.Fix != "" {
		fmt.Printf("                     %s\n", f.Fix)
	}
}
