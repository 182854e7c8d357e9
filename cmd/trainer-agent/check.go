package main

import (
	"encoding/json"
	"fmt"
	"os"
	"text/tabwriter"

	"github.com/vision-platform/trainer-agent/agent/config"
	"github.com/vision-platform/trainer-agent/contract"
)

// CheckCmd checks the environment and touches nothing.
type CheckCmd struct {
	fromFile
	JSON bool `help:"Print JSON."`
	All  bool `help:"Print unset variables and the defaults of other kinds of job too."`

	Trainer string `placeholder:"DIR" type:"path" help:"A trainer's folder: what its capabilities.json requires must be here too."`
	Python  string `default:"python3" placeholder:"PROGRAM" help:"What runs the trainer's script."`
}

// Help is shown below the flags.
func (CheckCmd) Help() string {
	return `Examples:
  trainer-agent check
  trainer-agent check --env-file job.env --all
  trainer-agent check --trainer . --python .venv/bin/python
  docker run --rm --env-file job.env --entrypoint trainer-agent my-trainer check --json

Exits with 0 when a job could start with this environment, else with 1.`
}

// Run prints the table and says whether a job could start.
func (c CheckCmd) Run() error {
	cfg, problems := config.Load()
	if c.Trainer != "" {
		problems = append(problems, unfit(cfg, c.Trainer, c.Python)...)
	}
	if c.JSON {
		if err := c.json(cfg, problems); err != nil {
			return err
		}
	} else if err := c.table(cfg, problems); err != nil {
		return err
	}
	if config.Failure(problems) != nil {
		return exitCode(contract.ExitFailed)
	}
	return nil
}

func (c CheckCmd) json(cfg *config.Config, problems []config.Problem) error {
	if problems == nil {
		problems = []config.Problem{}
	}
	enc := json.NewEncoder(os.Stdout)
	enc.SetIndent("", "  ")
	return enc.Encode(struct {
		OK        bool             `json:"ok"`
		Problems  []config.Problem `json:"problems"`
		Variables []config.Row     `json:"variables"`
	}{config.Failure(problems) == nil, problems, cfg.Rows(problems)})
}

func (c CheckCmd) table(cfg *config.Config, problems []config.Problem) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "VARIABLE\tVALUE\tFROM")
	for _, r := range cfg.Rows(problems) {
		if !c.All && !shown(r) {
			continue
		}
		from := r.Source
		if r.Problem != "" {
			from = "WRONG"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", r.Variable, oneLine(r.Value), from)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	var wrong int
	fmt.Println()
	for _, p := range problems {
		label := "warning"
		if !p.Warning {
			label = "error"
			wrong++
		}
		fmt.Printf("%s: %s\n", label, p)
	}
	if wrong == 0 {
		article := "a"
		if cfg.Job.Type != contract.JobTraining {
			article = "an"
		}
		fmt.Printf("The environment is complete: %s %s job for %s.\n", article, cfg.Job.Type, cfg.Job.ID)
	} else {
		fmt.Printf("%d to fix.\n", wrong)
	}
	return nil
}

// shown are what was set, what is wrong, and the rest of what this kind of job has use for.
func shown(r config.Row) bool {
	return r.Problem != "" || r.Source == "set" || r.Source != "" && r.Serves
}

func oneLine(s string) string {
	if r := []rune(s); len(r) > 60 {
		s = string(r[:59]) + "…"
	}
	out := []rune(s)
	for i, r := range out {
		if r < ' ' {
			out[i] = '\u00b7'
		}
	}
	return string(out)
}
