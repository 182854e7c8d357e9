package logtext

import (
	"encoding/json"
	"strings"
)

// Elastic reads the file that torch's elastic agent leaves at
// TORCHELASTIC_ERROR_FILE: {"message": {"message": "RuntimeError: …",
// "extraInfo": {"py_callstack": "Traceback …"}}}, or a plain string as message.
//
// Source: torch/distributed/elastic/multiprocessing/errors/error_handler.py.
func Elastic(content string) (Exception, bool) {
	var file struct {
		Message json.RawMessage `json:"message"`
	}
	if json.Unmarshal([]byte(content), &file) != nil || len(file.Message) == 0 {
		return Exception{}, false
	}
	var inner struct {
		Message   string `json:"message"`
		ExtraInfo struct {
			Callstack string `json:"py_callstack"`
		} `json:"extraInfo"`
	}
	if json.Unmarshal(file.Message, &inner) != nil {
		if json.Unmarshal(file.Message, &inner.Message) != nil {
			return Exception{}, false
		}
	}
	if parsed := Read(strings.Split(inner.ExtraInfo.Callstack, "\n")).Exceptions; len(parsed) > 0 {
		return parsed[len(parsed)-1], true
	}
	first, rest, _ := strings.Cut(inner.Message, "\n")
	m := exceptionLine.Groups(first)
	if m == nil {
		return Exception{}, false
	}
	return Exception{Kind: m[1], Message: strings.TrimSpace(m[2] + "\n" + rest), Block: strings.Split(inner.Message, "\n")}, true
}
