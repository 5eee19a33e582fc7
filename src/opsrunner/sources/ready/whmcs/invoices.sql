-- The invoices of WHMCS 8 that customers have seen: drafts are left out.
-- columns: invoice text, customer text, name text?, email text?
-- columns: issued_at date, due_at date?, paid_at moment?, amount number, method text?, status text
-- entities: name
-- invoice is WHMCS's own number of the row, which its pages and payments use; the number on the paper may differ.
-- Collections and Payment Pending are unpaid.
SELECT
  CAST(i.id AS CHAR) AS invoice,
  CAST(i.userid AS CHAR) AS customer,
  COALESCE(NULLIF(TRIM(c.companyname), ''), NULLIF(TRIM(CONCAT(c.firstname, ' ', c.lastname)), '')) AS name,
  NULLIF(TRIM(c.email), '') AS email,
  i.date AS issued_at,
  i.duedate AS due_at,
  i.datepaid AS paid_at,
  i.total AS amount,
  NULLIF(i.paymentmethod, '') AS method,
  CASE i.status
    WHEN 'Paid' THEN 'paid'
    WHEN 'Cancelled' THEN 'cancelled'
    WHEN 'Refunded' THEN 'refunded'
    ELSE 'unpaid'
  END AS status
FROM tblinvoices AS i
LEFT JOIN tblclients AS c ON c.id = i.userid
WHERE i.status <> 'Draft'
