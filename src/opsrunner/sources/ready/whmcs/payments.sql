-- Money that came in and went back by WHMCS 8; what went back is negative.
-- columns: payment text, invoice text?, customer text?, amount number
-- columns: method text?, received_at moment, reference text?
-- A payment that was booked without a customer has the one of its invoice.
SELECT
  CAST(a.id AS CHAR) AS payment,
  CAST(NULLIF(a.invoiceid, 0) AS CHAR) AS invoice,
  CAST(COALESCE(NULLIF(a.userid, 0), i.userid) AS CHAR) AS customer,
  a.amountin - a.amountout AS amount,
  NULLIF(a.gateway, '') AS method,
  a.date AS received_at,
  NULLIF(a.transid, '') AS reference
FROM tblaccounts AS a
LEFT JOIN tblinvoices AS i ON i.id = a.invoiceid
WHERE a.amountin <> 0 OR a.amountout <> 0
