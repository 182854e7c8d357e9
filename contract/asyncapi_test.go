package contract

// asyncAPI is the agent as an application that sends messages, for tools that know
// AsyncAPI: a channel, a message and an operation for each callback.
func asyncAPI() node {
	channels, operations, messages := node{}, node{}, node{}
	for _, kind := range Kinds {
		name := string(kind)
		messages[name] = message(kind)
		channels[name] = node{
			"address":    kind.Pattern(),
			"parameters": node{"id": node{"description": "JOB_ID."}},
			"messages":   node{name: reference("components/messages/" + name)},
		}
		operations[name] = node{
			"action": "send", "summary": "The callback " + name + ".",
			"channel":  reference("channels/" + name),
			"messages": []any{reference("channels/" + name + "/messages/" + name)},
			"bindings": node{"http": node{"method": "POST", "bindingVersion": "0.3.0"}},
		}
	}
	answered(channels, operations, messages)
	return node{
		"asyncapi": "3.0.0",
		"info": node{
			"title": "Callbacks of trainer-agent", "version": "1",
			"description": "What the agent sends to a backend: each callback in order, and again until it was answered. Fields that are not described may be there too.",
		},
		"defaultContentType": "application/json",
		"servers": node{"backend": node{
			"host": "{host}", "protocol": "https", "description": "BACKEND_BASE_URL of the job: its path, if it has one, stands before each address.",
			"variables": node{"host": node{"description": "Host and port of BACKEND_BASE_URL."}},
			"security":  []any{reference("components/securitySchemes/token")},
		}},
		"channels": channels, "operations": operations,
		"components": node{
			"messages": messages, "schemas": bodySchemas(),
			"securitySchemes": node{"token": node{"type": "http", "scheme": "bearer", "description": "CALLBACK_TOKEN of the job."}},
		},
	}
}

func message(kind Kind) node {
	return node{
		"headers": node{
			"type": "object", "required": []string{HeaderIdempotencyKey},
			"properties": node{
				HeaderIdempotencyKey: node{"type": "string", "description": aboutKey},
				HeaderTraceID:        node{"type": "string", "description": aboutTrace},
			},
		},
		"payload": reference("components/schemas/" + string(kind)),
	}
}

// answered adds the one answer that says more than that a callback was taken.
func answered(channels, operations, messages node) {
	const name = "validation_answer"
	messages[name] = node{"payload": verdict()}
	channel := channels[string(KindValidation)].(node)
	channel["messages"].(node)[name] = reference("components/messages/" + name)
	operations[string(KindValidation)].(node)["reply"] = node{
		"channel":  reference("channels/" + string(KindValidation)),
		"messages": []any{reference("channels/" + string(KindValidation) + "/messages/" + name)},
	}
}

func reference(path string) node { return node{"$ref": "#/" + path} }
