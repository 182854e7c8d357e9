package main

import (
	"slices"
	"strings"
	"testing"
)

// Every word that can be met in a log, a result or an environment is explained.
func TestEveryWordIsExplained(t *testing.T) {
	for _, word := range explainable() {
		found := explain(strings.ToLower(word))
		if !slices.ContainsFunc(found, func(e *explanation) bool {
			return strings.HasPrefix(e.title, word+":") || strings.HasPrefix(e.title, word+",")
		}) {
			t.Errorf("%s is not explained: %v", word, found)
		}
		for _, e := range found {
			if len(e.lines) == 0 {
				t.Errorf("%s: nothing is said", e.title)
			}
			for _, line := range e.lines {
				if strings.ContainsAny(plain(line), "`") || strings.Contains(plain(line), "](") {
					t.Errorf("%s: Markdown on a terminal: %s", word, plain(line))
				}
			}
		}
	}
}

func TestExplainGuessesTheWord(t *testing.T) {
	for word, want := range map[string]string{"CUDA_OM": "CUDA_OOM", "agent_start": "agent_started", "BATCHSIZE": "BATCH_SIZE", "nothing like it": "lists every word", "memory limit": "HOST_OOM", "out of memory": "HOST_OOM", "137x": "lists every word"} {
		if err := (ExplainCmd{Words: strings.Fields(word)}).Run(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", word, err)
		}
	}
}

// What kubectl shows of a container that was killed is no exit code of the agent's.
func TestTheStatusOfAKilledProcessIsExplained(t *testing.T) {
	for word, want := range map[string]string{"137": "memory limit (OOMKilled)", "139": "SIGSEGV", "127": "could not be started", "143": "told to stop"} {
		found := explain(word)
		if len(found) != 1 || !strings.Contains(found[0].title+strings.Join(found[0].lines, " "), want) {
			t.Errorf("%s: %v", word, found)
		}
	}
	for _, word := range []string{"128", "300", "3", "-1"} {
		if found := explain(word); len(found) > 0 {
			t.Errorf("%s: %v", word, found)
		}
	}
}
