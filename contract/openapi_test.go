package contract

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"
)

// The two documents describe to a backend's author what the backend must serve: written
// from the same shapes that relay and sandbox check.
func TestDocumentsOfTheCallbacks(t *testing.T) {
	for path, document := range map[string]node{
		"../docs/callbacks.openapi.json":  openAPI(),
		"../docs/callbacks.asyncapi.json": asyncAPI(),
	} {
		var want bytes.Buffer
		enc := json.NewEncoder(&want)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", " ")
		if err := enc.Encode(document); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if *update {
			err = os.WriteFile(path, want.Bytes(), 0o644)
		}
		if err != nil || !*update && !bytes.Equal(got, want.Bytes()) {
			t.Errorf("%s is not what the contract says (%v): run go test ./contract -update", path, err)
		}
	}
}

type node = map[string]any

func openAPI() node {
	paths := node{}
	for _, kind := range Kinds {
		paths[kind.Pattern()] = node{"post": node{
			"operationId": string(kind), "summary": "The callback " + string(kind) + ".",
			"parameters": []any{
				node{"name": "id", "in": "path", "required": true, "schema": node{"type": "string"}},
				header(HeaderIdempotencyKey, true, aboutKey),
				header(HeaderTraceID, false, aboutTrace),
			},
			"requestBody": node{"required": true, "content": node{"application/json": node{"schema": node{"$ref": "#/components/schemas/" + string(kind)}}}},
			"responses":   answers(kind),
		}}
	}
	return node{
		"openapi": "3.1.0",
		"info": node{
			"title": "Callbacks of trainer-agent", "version": "1",
			"description": "What a backend serves: each callback arrives in order, and again until it was answered. Fields that are not described may be there too.",
		},
		"security": []any{node{"token": []any{}}},
		"paths":    paths,
		"components": node{
			"securitySchemes": node{"token": node{"type": "http", "scheme": "bearer", "description": "CALLBACK_TOKEN of the job."}},
			"schemas":         bodySchemas(),
		},
	}
}

const (
	aboutKey   = "The same on every try of this callback: the backend takes each key once."
	aboutTrace = "TRACE_ID of the job."
)

func header(name string, required bool, text string) node {
	return node{"name": name, "in": "header", "required": required, "schema": node{"type": "string"}, "description": text}
}

func answers(kind Kind) node {
	taken := node{"description": "Taken."}
	if kind == KindValidation {
		taken["content"] = node{"application/json": node{"schema": verdict()}}
	}
	return node{
		"200": taken,
		"4XX": node{"description": "Refused for good, but for 401, 408, 425 and 429: this callback is not sent again, the job goes on."},
		"5XX": node{"description": "Sent again later, as after no answer; Retry-After is honoured."},
	}
}

// verdict is what a backend may answer to a validation.
func verdict() node {
	return node{"type": "object", "properties": node{"is_best": node{"type": "boolean", "description": "Whether this epoch is the best so far."}}}
}

func bodySchemas() node {
	schemas := node{}
	for _, kind := range Kinds {
		schemas[string(kind)] = bodySchema(kind)
	}
	return schemas
}

func bodySchema(kind Kind) node {
	properties, required := node{}, []string{}
	for _, f := range Fields(kind) {
		properties[f.Name] = schema(f.Shape)
		if !f.Agent { // the relay fills in what a trainer leaves out
			required = append(required, f.Name)
		}
	}
	return node{"type": "object", "properties": properties, "required": required}
}

func schema(s *Shape) node {
	if s == nil || s.Kind == ShapeAny {
		return node{}
	}
	o := node{}
	name := map[ShapeKind]string{
		ShapeNumber: "number", ShapeInteger: "integer", ShapeText: "string", ShapePath: "string", ShapeTime: "string",
		ShapeBool: "boolean", ShapeObject: "object", ShapeMap: "object", ShapeList: "array",
	}[s.Kind]
	o["type"] = name
	if s.Null {
		o["type"] = []string{name, "null"}
	}
	if s.Words != nil {
		o["enum"] = s.Words
	}
	if s.Bounds != nil {
		o["minimum"], o["maximum"] = s.Bounds.Low, s.Bounds.High
	}
	switch s.Kind {
	case ShapeTime:
		o["format"] = "date-time"
	case ShapePath:
		o["description"] = "Address of an object, s3://bucket/key."
	case ShapeMap:
		o["additionalProperties"] = schema(s.Of)
		bound(o, "maxProperties", s.Most)
	case ShapeList:
		o["items"] = schema(s.Of)
		bound(o, "maxItems", s.Most)
	case ShapeObject:
		if s.Fields != nil {
			properties := node{}
			for field, shape := range s.Fields {
				properties[field] = schema(shape)
			}
			o["properties"] = properties
		}
	}
	return o
}

func bound(o node, name string, most int) {
	if most > 0 {
		o[name] = most
	}
}
