package awssim

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rolebroker/rolebroker/internal/sigv4"
)

// DynamoDB: tables and items, without expressions and indexes.

const dynamoTarget = "DynamoDB_20120810."

// table is a table of one region. items are keyed by the JSON of their key attributes.
type table struct {
	name    string
	schema  json.RawMessage // KeySchema as it was sent
	types   json.RawMessage // AttributeDefinitions as they were sent
	keys    []string        // attribute names
	items   map[string]map[string]json.RawMessage
	created time.Time
}

// dynamoCall is a call on the caller's account, under the lock.
type dynamoCall struct {
	*call
	in      map[string]json.RawMessage
	account *account
	name    string // TableName
}

// dynamoOperation is an operation, the members that it understands besides TableName, and
// whether it needs an existing table.
type dynamoOperation struct {
	run     func(*dynamoCall, *table) (any, error)
	members []string
	free    bool
}

var dynamoOperations = sync.OnceValue(func() map[string]dynamoOperation {
	return map[string]dynamoOperation{
		"ListTables": {run: listTables, free: true, members: []string{"Limit"}},
		"CreateTable": {run: createTable, free: true,
			members: []string{"KeySchema", "AttributeDefinitions", "BillingMode", "ProvisionedThroughput"}},
		"DescribeTable": {run: describeTable},
		"DeleteTable":   {run: deleteTable},
		"PutItem":       {run: putItem, members: []string{"Item"}},
		"GetItem":       {run: getItem, members: []string{"Key", "ConsistentRead"}},
		"DeleteItem":    {run: deleteItem, members: []string{"Key"}},
		"Scan":          {run: scan, members: []string{"ConsistentRead"}},
	}
})

func (c *call) serveDynamoDB(w http.ResponseWriter) {
	result, err := c.performDynamoDB(w)
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	if err != nil {
		e := dynamoError(asError(err))
		w.WriteHeader(e.Status)
		_ = json.NewEncoder(w).Encode(map[string]string{"__type": "com.amazon.coral.service#" + e.Code,
			"message": e.Message})
		return
	}
	_ = json.NewEncoder(w).Encode(result)
}

func (c *call) performDynamoDB(w http.ResponseWriter) (any, error) {
	if err := c.readBody(w, maxBody); err != nil {
		return nil, err
	}
	c.signed = sigv4.Plain(c.http, sigv4.Hash(c.body))
	name, _ := strings.CutPrefix(c.http.Header.Get("X-Amz-Target"), dynamoTarget)
	op, known := dynamoOperations()[name]
	if known {
		c.begin(name)
	}
	if err := c.authenticate("dynamodb"); err != nil {
		return nil, err
	}
	if !known {
		return nil, refuse(http.StatusBadRequest, "UnknownOperationException", "%s is not simulated", name)
	}
	d := &dynamoCall{call: c}
	if err := d.read(op.members); err != nil {
		return nil, err
	}
	c.aws.mu.Lock()
	defer c.aws.mu.Unlock()
	d.account = c.aws.accounts[c.caller.account]
	return d.run(op, "dynamodb:"+name)
}

// read parses the members. It refuses those that the simulator would ignore, such as
// conditions.
func (c *dynamoCall) read(members []string) error {
	if json.Unmarshal(c.body, &c.in) != nil {
		return refuse(http.StatusBadRequest, "SerializationException", "The request is not a JSON object")
	}
	for _, name := range slices.Sorted(maps.Keys(c.in)) {
		if name != "TableName" && !slices.Contains(members, name) {
			return invalidItem("The parameter %s is not simulated", name)
		}
	}
	c.name, _ = text1(c.in["TableName"])
	return nil
}

func (c *dynamoCall) run(op dynamoOperation, action string) (any, error) {
	resource := c.arn(c.name)
	if c.name == "" {
		resource = c.arn("*")
	}
	if v := evaluateIdentity(ask(c.caller, action, resource, c.facts())); !v.allowed {
		return nil, refuse(http.StatusBadRequest, "AccessDeniedException", "%s",
			v.sentence(c.caller, action, " on resource: "+resource))
	}
	t := c.account.tables[c.region+"/"+c.name]
	if t == nil && !op.free {
		return nil, refuse(http.StatusBadRequest, "ResourceNotFoundException",
			"Requested resource not found: Table: %s not found", c.name)
	}
	return op.run(c, t)
}

func (c *dynamoCall) arn(name string) string {
	return "arn:" + c.caller.partition + ":dynamodb:" + c.region + ":" + c.account.id + ":table/" + name
}

func invalidItem(format string, args ...any) *Error {
	return refuse(http.StatusBadRequest, "ValidationException", format, args...)
}

// dynamoError renames the errors of authentication as DynamoDB does.
func dynamoError(e *Error) *Error {
	switch e.Code {
	case "InvalidClientTokenId":
		return refuse(http.StatusBadRequest, "UnrecognizedClientException", "%s", e.Message)
	case "ExpiredToken":
		return refuse(http.StatusBadRequest, "ExpiredTokenException", "%s", e.Message)
	case "SignatureDoesNotMatch":
		return refuse(http.StatusBadRequest, "InvalidSignatureException", "%s", e.Message)
	}
	return e
}

func listTables(c *dynamoCall, _ *table) (any, error) {
	names := []string{}
	for key, t := range c.account.tables {
		if strings.HasPrefix(key, c.region+"/") {
			names = append(names, t.name)
		}
	}
	slices.Sort(names)
	return map[string]any{"TableNames": names}, nil
}

func createTable(c *dynamoCall, old *table) (any, error) {
	var schema []struct{ AttributeName, KeyType string }
	if old != nil {
		return nil, refuse(http.StatusBadRequest, "ResourceInUseException", "Table already exists: %s", c.name)
	}
	if json.Unmarshal(c.in["KeySchema"], &schema) != nil || len(schema) == 0 || len(c.name) < 3 {
		return nil, invalidItem("A table needs a TableName of three characters and a KeySchema")
	}
	t := &table{name: c.name, schema: c.in["KeySchema"], types: c.in["AttributeDefinitions"], created: c.now,
		items: map[string]map[string]json.RawMessage{}}
	for _, k := range schema {
		t.keys = append(t.keys, k.AttributeName)
	}
	c.account.tables[c.region+"/"+c.name] = t
	return map[string]any{"TableDescription": c.describe(t)}, nil
}

func (c *dynamoCall) describe(t *table) any {
	return map[string]any{"TableName": t.name, "TableArn": c.arn(t.name), "TableStatus": "ACTIVE",
		"KeySchema":            t.schema,
		"AttributeDefinitions": t.types, "ItemCount": len(t.items), "CreationDateTime": t.created.Unix()}
}

func describeTable(c *dynamoCall, t *table) (any, error) {
	return map[string]any{"Table": c.describe(t)}, nil
}

func deleteTable(c *dynamoCall, t *table) (any, error) {
	delete(c.account.tables, c.region+"/"+t.name)
	return map[string]any{"TableDescription": c.describe(t)}, nil
}

// key returns the key of an item, which must have every key attribute, and no other if it
// is a Key.
func (c *dynamoCall) key(t *table, member string) (string, map[string]json.RawMessage, error) {
	var item map[string]json.RawMessage
	if json.Unmarshal(c.in[member], &item) != nil || member == "Key" && len(item) != len(t.keys) {
		return "", nil, invalidItem("The provided key element does not match the schema")
	}
	key := ""
	for _, name := range t.keys {
		value, ok := item[name]
		if !ok {
			return "", nil, invalidItem("One or more parameter values were invalid: Missing the key %s in the item",
				name)
		}
		key += string(compactJSON(value))
	}
	return key, item, nil
}

func putItem(c *dynamoCall, t *table) (any, error) {
	key, item, err := c.key(t, "Item")
	if err == nil {
		t.items[key] = item
	}
	return struct{}{}, err
}

func getItem(c *dynamoCall, t *table) (any, error) {
	key, _, err := c.key(t, "Key")
	if item := t.items[key]; err == nil && item != nil {
		return map[string]any{"Item": item}, nil
	}
	return struct{}{}, err
}

func deleteItem(c *dynamoCall, t *table) (any, error) {
	key, _, err := c.key(t, "Key")
	if err == nil {
		delete(t.items, key)
	}
	return struct{}{}, err
}

func scan(c *dynamoCall, t *table) (any, error) {
	items := []map[string]json.RawMessage{}
	for _, key := range slices.Sorted(maps.Keys(t.items)) {
		items = append(items, t.items[key])
	}
	return map[string]any{"Items": items, "Count": len(items), "ScannedCount": len(items)}, nil
}
