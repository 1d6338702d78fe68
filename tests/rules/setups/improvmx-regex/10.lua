-- ImprovMX: an alias that is a regular expression, its group in the webhook's address.
return alias { ["/^inv-(\\d+)@shop\\.example$/"] = "https://books.example/invoices/$1" }
