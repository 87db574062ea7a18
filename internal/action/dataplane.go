package action

import "strings"

// dataPlane is the call of a request to something of the customer's own, whose paths no model has: an API, a function,
// a search domain. The host says so.
func (r *Request) dataPlane() (Call, bool) {
	stem, ok := awsHost(r.Host)
	if !ok {
		return Call{}, false
	}
	id, kind, _ := cutLast(stem)
	switch strings.ToLower(r.Service) + " " + kind {
	case "execute-api execute-api":
		return r.executeAPI(id), id != ""
	case "lambda lambda-url":
		return ofData("lambda", "lambda:InvokeFunctionUrl"), id != ""
	case "appsync appsync-api":
		return ofData("appsync", "appsync:GraphQL"), id != ""
	case "aoss aoss":
		return ofData("opensearchserverless", "aoss:APIAccessAll"), id != ""
	case "es es", "es aos":
		return ofData("opensearch", "es:ESHttp"+capital(r.Method)), id != ""
	}
	if r.Service == "vpc-lattice-svcs" {
		return ofData("vpc-lattice", "vpc-lattice-svcs:Invoke"), true
	}
	return Call{}, false
}

// ofData is a call of which one action is known; unknown if the data does not have it.
func ofData(service, action string) Call {
	c := Call{Service: service, Operation: action[strings.IndexByte(action, ':')+1:], Actions: []string{action},
		Resources: anything, Level: LevelOf(action)}
	prefix, name, _ := strings.Cut(strings.ToLower(action), ":")
	if actionLevels(prefix)[name] == 0 {
		return unknown("the data does not know the action " + action)
	}
	return c
}

func (r *Request) executeAPI(id string) Call {
	if strings.Contains(r.Path, "@connections") || strings.Contains(r.Path, "%40connections") {
		return ofData("apigatewaymanagementapi", "execute-api:ManageConnections")
	}
	c := ofData("apigateway", "execute-api:Invoke")
	if path := split(r.Path); len(path) > 0 && !strings.ContainsAny(id, ".*?$") && !strings.ContainsAny(r.Path, "%*$;") &&
		!strings.Contains(r.Path, "..") && !strings.Contains(r.Path, "//") {
		c.Resources = []string{r.arnStart() + "execute-api:" + r.Region + ":" + r.Account + ":" + id + "/" + path[0] + "/" +
			r.Method + "/" + strings.Join(path[1:], "/")}
	}
	return c
}

// capital is a word such as GET as Get.
func capital(word string) string {
	if word == "" {
		return ""
	}
	return word[:1] + strings.ToLower(word[1:])
}
