package main

import (
	"os"

	"github.com/alecthomas/kong"

	"github.com/vision-platform/trainer-agent/cmd/trainer-agent/completion"
)

// CompletionCmd prints a shell's completion script.
type CompletionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// Help is shown below the flags.
func (CompletionCmd) Help() string {
	return `Examples:
  source <(trainer-agent completion bash)
  trainer-agent completion zsh > ~/.zfunc/_trainer-agent
  trainer-agent completion fish > ~/.config/fish/completions/trainer-agent.fish

To have it in every shell, put the line
  source <(trainer-agent completion bash)     into ~/.bashrc
  source <(trainer-agent completion zsh)      into ~/.zshrc
  trainer-agent completion fish | source      into ~/.config/fish/config.fish`
}

// Run prints the script.
func (c CompletionCmd) Run() error {
	script := map[string]string{"bash": completion.Bash, "zsh": completion.Zsh, "fish": completion.Fish}[c.Shell]
	_, err := os.Stdout.WriteString(script)
	return err
}

// CompleteCmd is what the scripts call.
type CompleteCmd struct {
	Words []string `arg:"" optional:"" passthrough:"" help:"The command line after the program's name, up to the cursor."`
}

// Run answers.
func (c CompleteCmd) Run(ctx *kong.Context) error {
	return completion.Answer(os.Stdout, ctx.Model, afterDashes(c.Words))
}
