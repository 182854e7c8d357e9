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
	for word, want := range map[string]string{"CUDA_OM": "CUDA_OOM", "agent_start": "agent_started", "BATCHSIZE": "BATCH_SIZE", "nothing like it": "lists every word"} {
		if err := (ExplainCmd{Word: word}).Run(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", word, err)
		}
	}
}
