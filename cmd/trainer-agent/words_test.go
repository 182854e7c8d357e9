package main_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/testdata/need"
)

// asking talks to the language model as OpenAI's own client does it: the answer is read
// into a type, the second question is one too many.
const asking = `
import json, os, pathlib
import openai, pydantic

class Words(pydantic.BaseModel):
    summary: str
    key_factors: list[str]

client = openai.OpenAI(max_retries=0)
answer = client.chat.completions.parse(model="any", messages=[{"role": "user", "content": "What is it?"}], response_format=Words)
print("parsed:", answer.choices[0].message.parsed, answer.usage.total_tokens, flush=True)
try:
    client.chat.completions.create(model="any", messages=[{"role": "user", "content": "And now?"}])
except openai.PermissionDeniedError as error:
    print("refused:", error.code, error.message, flush=True)
print("key:", "sk-real" in json.dumps(dict(os.environ)), flush=True)
pathlib.Path(os.environ["OUTPUT_DIR"], "results.json").write_text("{}")
`

// modelServer answers as OpenAI's does, when it has been busy once.
func modelServer(t *testing.T) (url string, asked chan string) {
	t.Helper()
	asked = make(chan string, 10)
	busy := true
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var q struct {
			Model  string `json:"model"`
			Format struct {
				Schema struct {
					Name string `json:"name"`
				} `json:"json_schema"`
			} `json:"response_format"`
		}
		err := json.Unmarshal(body, &q)
		asked <- strings.Join([]string{r.Method, r.URL.Path, r.Header.Get("Authorization"), q.Model, q.Format.Schema.Name}, " ")
		w.Header().Set("Content-Type", "application/json")
		if busy || err != nil {
			busy = false
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusTooManyRequests)
			_, _ = io.WriteString(w, `{"error": {"message": "Rate limit reached", "type": "requests", "param": null, "code": "rate_limit_exceeded"}}`)
			return
		}
		_, _ = io.WriteString(w, `{"id": "chatcmpl-1", "object": "chat.completion", "created": 1764000000, "model": "gpt-4o-mini-2024-07-18",
			"choices": [{"index": 0, "finish_reason": "stop", "logprobs": null, "message": {"role": "assistant", "refusal": null, "content": "{\"summary\": \"A disc.\", \"key_factors\": [\"round\"]}"}}],
			"usage": {"prompt_tokens": 40, "completion_tokens": 20, "total_tokens": 60}}`)
	}))
	t.Cleanup(server.Close)
	return server.URL + "/v1", asked
}

// A trainer that uses OpenAI's own client needs no change: key, model and budget are the
// agent's, and so is the patience with a server that is busy.
func TestOpenAIsOwnClientAsksThroughTheAgent(t *testing.T) {
	need.Python(t)
	beside := filepath.Join(need.Venv(), "integrations")
	if _, err := os.Stat(filepath.Join(beside, "openai")); err != nil {
		need.Missing(t, "the openai package (make venv-all): %v", err)
	}
	url, asked := modelServer(t)
	j := newJob(t, "").light(asking)
	j.with("PYTHONPATH", j.env["PYTHONPATH"]+":"+beside, "INFERENCE_TYPE", "inference_job", "ENABLE_XAI", "true", "ENABLE_LLM_EXPLANATION", "true",
		"OPENAI_API_KEY", "sk-real", "OPENAI_BASE_URL", url, "OPENAI_MODEL", "gpt-4o-mini", "AGENT_LLM_MAX_CALLS", "1").mustExit(0)
	close(asked)
	var seen []string
	for line := range asked {
		seen = append(seen, line)
	}
	if line := "POST /v1/chat/completions Bearer sk-real gpt-4o-mini Words"; !slices.Equal(seen, []string{line, line}) {
		t.Errorf("asked %q", seen)
	}
	out := j.stdout.String()
	for _, want := range []string{"parsed: summary='A disc.' key_factors=['round'] 60", "refused: budget_exceeded", "AGENT_LLM_MAX_CALLS", "key: False"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
}
