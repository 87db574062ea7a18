// Package gateway signs agents' AWS requests for them, so that an agent holds no AWS key.
//
// An agent whose connection withholds keys is lent keys that AWS does not know, made by [Keys]. Its SDK signs with them,
// and its requests come here: to an address of the gateway, or for a host of AWS that the gateway stands in for. Each
// request takes one way:
//
//	who signed it, and is the signature right     the key in its session token
//	what is asked, and of which service           the scope of the signature, the base path or the host
//	may the agent, now                            the function that lends
//	sign with the role's credentials, and stream  to AWS's endpoint, or the operator's
//
// While it streams, the gateway goes on asking whether the agent may still have the role, and ends the call if not.
//
// A base path /-/SERVICE names the service among those that sign with one name: /-/bedrock-runtime/model/… .
//
// It never signs for a host outside AWS unless the operator named it, never signs what it did not verify, buffers no
// body of S3, and answers refusals in the format of the service, so that every SDK prints them.
//
//	handler := gateway.New(gateway.Options{Keys: keys, Lender: lender})
package gateway
