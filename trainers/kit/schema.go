package kit

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
)

const schemaScript = "config_schema.py"

// checkSchema says what is wrong with an answer of config_schema.py.
func checkSchema(s contract.ConfigSchema) (found []finding) {
	found = emptyOnes("schema.empty", schemaScript, "framework", s.Framework, "description", s.Description, "version", s.Version)
	fields := map[string]contract.ConfigField{}
	for _, f := range s.Fields {
		if _, twice := fields[f.Name]; twice || f.Name == "" {
			found = append(found, fault("schema.field", schemaScript, textf("a field's name %q is empty or there twice", f.Name)))
		}
		fields[f.Name] = f
		if wrong := fieldProblem(f); wrong != "" {
			found = append(found, fault("schema.field", schemaScript, textf("field %s: %s", f.Name, wrong)))
		}
	}
	for _, preset := range []string{"easy", "medium", "advanced"} {
		values, ok := s.Presets[preset]
		if !ok {
			found = append(found, fault("schema.preset", schemaScript, textf("the preset %s is missing", preset)))
		}
		for _, name := range slices.Sorted(maps.Keys(values)) {
			field, known := fields[name]
			if wrong := valueProblem(field, values[name]); !known {
				found = append(found, fault("schema.preset", schemaScript, textf("the preset %s sets %s, which is no field", preset, name)))
			} else if wrong != "" {
				found = append(found, fault("schema.preset", schemaScript, textf("the preset %s: %s %s", preset, name, wrong)))
			}
		}
	}
	return found
}

func fieldProblem(f contract.ConfigField) string {
	switch {
	case !slices.Contains([]string{"int", "float", "bool", "select", "string"}, f.Type):
		return fmt.Sprintf("type %q is none of int, float, bool, select, string", f.Type)
	case f.Description == "" || f.Group == "":
		return "description or group is empty"
	case f.Type == "select" && len(f.Options) == 0:
		return "a select needs options"
	case f.Min != nil && f.Max != nil && *f.Min > *f.Max:
		return fmt.Sprintf("min %v is above max %v", *f.Min, *f.Max)
	case f.Default == nil && !f.Required:
		return "it has no default"
	case f.Default == nil:
		return ""
	}
	if wrong := valueProblem(f, f.Default); wrong != "" {
		return "the default " + wrong
	}
	return ""
}

// valueProblem says why a value does not fit a field; JSON's numbers are floats.
func valueProblem(f contract.ConfigField, value any) string {
	number, isNumber := value.(float64)
	_, isBool := value.(bool)
	_, isText := value.(string)
	fits := map[string]bool{
		"int": isNumber && number == math.Trunc(number), "float": isNumber, "bool": isBool, "string": isText,
		"select": slices.Contains(f.Options, value),
	}
	switch {
	case !fits[f.Type]:
		return fmt.Sprintf("is %v, expected a value of type %s", value, f.Type)
	case isNumber && (f.Min != nil && number < *f.Min || f.Max != nil && number > *f.Max):
		return fmt.Sprintf("is %v, outside min and max", value)
	}
	return ""
}

// checkCapabilities says what is wrong with capabilities.json.
func (v *Validator) checkCapabilities(d contract.Capabilities) (found []finding) {
	const file = "capabilities.json"
	// More are not told, and each is looked for in the file.
	enough := func() bool { return len(found) > contract.MaxFindings }
	found = emptyOnes("capabilities.empty", file, "framework", d.Framework, "display_name", d.DisplayName, "description", d.Description, "version", d.Version)
	tasks := map[string]bool{}
	for _, t := range d.TaskTypes {
		tasks[t.Name] = t.Supported
		if t.Supported && !enough() && !slices.Contains(contract.TaskTypes, contract.TaskType(t.Name)) {
			found = append(found, v.naming(fault("capabilities.task", file, textf("task type %q is none of the platform's: %s", t.Name, taskNames())), t.Name))
		}
	}
	seen := map[string]bool{}
	for _, m := range d.Models {
		if enough() {
			break
		}
		if m.ModelName == "" || m.DisplayName == "" || seen[m.ModelName] {
			found = append(found, v.naming(fault("capabilities.model", file, textf("the model %q has no name, no display_name or is there twice", m.ModelName)), m.ModelName))
		}
		seen[m.ModelName] = true
		for _, t := range m.TaskTypes {
			if m.Supported && !tasks[t] && !enough() {
				found = append(found, v.naming(fault("capabilities.model", file, textf("the model %s names the task %q, which is not a supported task type of the document", m.ModelName, t)), m.ModelName))
			}
		}
	}
	if _, _, ok := firstModel(d); !ok {
		found = append(found, fault("capabilities.model", file, "there is no supported model with a task type"))
	}
	if !slices.ContainsFunc(d.DatasetFormats, func(f contract.CapabilityFormat) bool { return f.Supported }) {
		found = append(found, fault("capabilities.format", file, "there is no supported dataset format"))
	}
	if d.Requires != nil {
		found = append(found, v.checkRequires(*d.Requires)...)
	}
	return found
}

// emptyOnes takes names and values in turn.
func emptyOnes(rule, file string, pairs ...string) (found []finding) {
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			found = append(found, fault(rule, file, pairs[i]+" is empty"))
		}
	}
	return found
}

func taskNames() string {
	names := make([]string, len(contract.TaskTypes))
	for i, t := range contract.TaskTypes {
		names[i] = string(t)
	}
	return strings.Join(names, ", ")
}
