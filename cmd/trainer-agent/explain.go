package main

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/vision-platform/trainer-agent/agent/config"
	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/contract/spelling"
	"github.com/vision-platform/trainer-agent/converters/dataset/problem"
)

// ExplainCmd says what a word of the log means.
type ExplainCmd struct {
	Words []string `arg:"" optional:"" name:"word" help:"A failure code, an event, an exit code, an environment variable, or a problem of a dataset; or words that its meaning names."`
}

// Help is shown below the flags.
func (ExplainCmd) Help() string {
	return `Examples:
  trainer-agent explain
  trainer-agent explain CUDA_OOM
  trainer-agent explain 75
  trainer-agent explain checkpoint_upload_failed
  trainer-agent explain AGENT_STOP_GRACE
  trainer-agent explain bad_label_row
  trainer-agent explain out of memory

Without a word it lists all that can be explained.`
}

// Run prints the explanation.
func (c ExplainCmd) Run() error {
	asked := strings.TrimSpace(strings.Join(c.Words, " "))
	if asked == "" {
		listWords(os.Stdout)
		return nil
	}
	if found := explain(asked); len(found) > 0 {
		for _, e := range found {
			e.print(os.Stdout)
		}
		return nil
	}
	hint := `"trainer-agent explain" lists every word`
	if near := spelling.Nearest(asked, explainable()); near != "" {
		hint = "did you mean " + near + "?"
	} else if named := mentioning(asked); len(named) > 0 {
		hint = "these speak of it: " + strings.Join(named, ", ")
	}
	return fmt.Errorf("%q is no failure code, event, exit code, variable or dataset problem: %s", asked, hint)
}

// explanation is what there is to say of a word: what kind of word, then lines.
type explanation struct {
	title string
	lines []string
}

func (e *explanation) print(w io.Writer) {
	_, _ = fmt.Fprintln(w, e.title)
	for _, line := range e.lines {
		_, _ = fmt.Fprintln(w, "  "+plain(line))
	}
}

// plain is a text of the documentation for a terminal.
func plain(markdown string) string {
	links := regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
	return strings.ReplaceAll(links.ReplaceAllString(markdown, "docs/$1"), "`", "")
}

func (e *explanation) add(label, text string) *explanation {
	if text != "" {
		e.lines = append(e.lines, label+text)
	}
	return e
}

// explain finds the word among all kinds: GPU_ERROR is a failure code, gpu_error an
// event, and whoever asks gets both.
func explain(word string) (found []*explanation) {
	for _, m := range contract.CodeMeanings() {
		if strings.EqualFold(word, string(m.Name)) {
			title := fmt.Sprintf("%s: failure code, %s, exit code %d%s", m.Name, m.Name.Type(), m.Name.ExitCode(), retried(m.Name))
			found = append(found, (&explanation{title: title}).add("means: ", m.Meaning.What).add("first: ", m.Meaning.Do))
		}
	}
	found = append(found, events(word, "event of the agent", contract.EventMeanings())...)
	found = append(found, events(word, "event of our trainers", contract.TrainerEventMeanings())...)
	for _, m := range contract.ExitMeanings() {
		if word == strconv.Itoa(m.Name) {
			found = append(found, (&explanation{title: word + ": exit code of the agent"}).add("means: ", m.Meaning.What).add("what to do: ", m.Meaning.Do))
		}
	}
	if e := status(word); e != nil {
		found = append(found, e)
	}
	for _, k := range problem.Catalogue() {
		if strings.EqualFold(word, k.Code) {
			found = append(found, (&explanation{title: fmt.Sprintf("%s: problem of a dataset, %s", k.Code, k.Severity)}).add("means: ", k.Message).add("what to do: ", k.Hint))
		}
	}
	if d, ok := config.Describe(word); ok {
		found = append(found, variable(d))
	}
	return found
}

func events(word, kind string, meanings []contract.Named[contract.EventType]) (found []*explanation) {
	for _, m := range meanings {
		if strings.EqualFold(word, string(m.Name)) {
			found = append(found, (&explanation{title: string(m.Name) + ": " + kind}).add("means: ", m.Meaning.What).add("what to do: ", m.Meaning.Do))
		}
	}
	return found
}

// status explains an exit code that is not the agent's: a training process's in
// done.exit_code, or that of a container whose agent was killed.
func status(word string) *explanation {
	switch n, err := strconv.Atoi(word); {
	case err != nil || slices.ContainsFunc(contract.ExitMeanings(), func(m contract.Named[int]) bool { return m.Name == n }):
		return nil
	case n == 126 || n == 127:
		return (&explanation{title: word + ": exit code of a shell or of the training process, not of the agent"}).
			add("means: ", "the command could not be started: it is not there (127) or may not be executed (126)").
			add("what to do: ", "look at the command after -- and at the PATH of the image")
	case n > 128 && unix.SignalName(syscall.Signal(n-128)) != "":
		e := (&explanation{title: fmt.Sprintf("%s: killed by %s (128 + %d); not an exit code that the agent chooses", word, unix.SignalName(syscall.Signal(n-128)), n-128)})
		if syscall.Signal(n-128) == syscall.SIGKILL {
			return e.add("means: ", "of a container: it was over its memory limit (OOMKilled), or did not end within the grace period").
				add("what to do: ", "kubectl describe pod names the reason; the next run of the job tells it as previous_run of agent_started")
		}
		return e.add("means: ", "of done.exit_code: the training process ended so, and done.error says why as far as is known")
	}
	return nil
}

// maxMentioning bounds how many words are offered for a question.
const maxMentioning = 12

// mentioning are the words whose explanation names everything that was asked for; the
// small words of a question are in every other one.
func mentioning(asked string) (words []string) {
	parts := slices.DeleteFunc(strings.Fields(strings.ToLower(asked)), func(part string) bool { return len(part) < 4 })
	if len(parts) == 0 {
		return nil
	}
	for _, word := range explainable() {
		text := strings.ToLower(word)
		for _, e := range explain(word) {
			text += " " + strings.ToLower(strings.Join(e.lines, " "))
		}
		if !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(text, part) }) && len(words) < maxMentioning {
			words = append(words, word)
		}
	}
	return words
}

func retried(c contract.Code) string {
	if c.Retryable() {
		return ": run it again"
	}
	return ""
}

func variable(d config.Description) *explanation {
	title := d.Name + ": environment variable"
	if d.Secret {
		title += ", secret (or from the file " + d.Name + "_FILE)"
	}
	e := (&explanation{title: title}).add("", d.Meaning).add("takes: ", d.Takes).add("default: ", d.Default)
	if d.Required != "" {
		e.add("required: ", d.Required)
	}
	return e.add("example: ", d.Name+"="+d.Example)
}

// explainable is every word, in the order in which they are listed.
func explainable() (words []string) {
	for _, g := range wordGroups() {
		words = append(words, g.words...)
	}
	return words
}

type wordGroup struct {
	title string
	words []string
}

func wordGroups() []wordGroup {
	codes, events, exits, problems := wordGroup{title: "Failure codes"}, wordGroup{title: "Events"}, wordGroup{title: "Exit codes"}, wordGroup{title: "Problems of datasets"}
	for _, m := range contract.CodeMeanings() {
		codes.words = append(codes.words, string(m.Name))
	}
	for _, m := range slices.Concat(contract.EventMeanings(), contract.TrainerEventMeanings()) {
		events.words = append(events.words, string(m.Name))
	}
	for _, m := range contract.ExitMeanings() {
		exits.words = append(exits.words, strconv.Itoa(m.Name))
	}
	for _, k := range problem.Catalogue() {
		problems.words = append(problems.words, k.Code)
	}
	return []wordGroup{exits, codes, events, problems, {"Environment variables", config.Names()}}
}

func listWords(w io.Writer) {
	for i, g := range wordGroups() {
		if i > 0 {
			_, _ = fmt.Fprintln(w)
		}
		_, _ = fmt.Fprintln(w, g.title)
		for _, word := range g.words {
			_, _ = fmt.Fprintln(w, "  "+word)
		}
	}
}
