terraform {
  required_providers {
    rolebroker = {
      source = "rolebroker/rolebroker"
    }
  }
}

# The API key is in ROLEBROKER_TOKEN, or in the file that ROLEBROKER_TOKEN_FILE
# names.
provider "rolebroker" {
  url = "https://rolebroker.example.com"
}
