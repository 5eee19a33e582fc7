-- The orders of WHMCS 8. customer is what the customer is called, as in the sample.
-- columns: number text, customer text?, email text?, domain text?, product text?
-- columns: amount number, method text?, channel text, placed_at moment
-- columns: paid_at moment?, activated_at moment?, cancelled_at moment?
-- entities: customer, product
-- number is WHMCS's own number of the row, which its pages use. WHMCS does not keep when an order was accepted or
-- cancelled: what is active or cancelled has the moment of its payment, or else that of the order, for it.
-- An order of several products shows the first. A free one counts as paid when it was placed.
SELECT
  CAST(o.id AS CHAR) AS number,
  COALESCE(NULLIF(TRIM(c.companyname), ''), NULLIF(TRIM(CONCAT(c.firstname, ' ', c.lastname)), '')) AS customer,
  NULLIF(TRIM(c.email), '') AS email,
  NULLIF(LOWER(TRIM(COALESCE(
    (SELECT h.domain FROM tblhosting AS h WHERE h.orderid = o.id ORDER BY h.id LIMIT 1),
    (SELECT d.domain FROM tbldomains AS d WHERE d.orderid = o.id ORDER BY d.id LIMIT 1)
  ))), '') AS domain,
  COALESCE(
    (SELECT p.name FROM tblhosting AS h JOIN tblproducts AS p ON p.id = h.packageid
      WHERE h.orderid = o.id ORDER BY h.id LIMIT 1),
    (SELECT CONCAT('Domain ', LOWER(d.type)) FROM tbldomains AS d WHERE d.orderid = o.id ORDER BY d.id LIMIT 1)
  ) AS product,
  o.amount AS amount,
  NULLIF(o.paymentmethod, '') AS method,
  CASE WHEN o.admin_requestor_id > 0 THEN 'by hand' ELSE 'self-serve' END AS channel,
  o.date AS placed_at,
  CASE WHEN i.status = 'Paid' THEN i.datepaid WHEN i.id IS NULL AND o.amount = 0 THEN o.date END AS paid_at,
  CASE WHEN o.status = 'Active' THEN COALESCE(CASE WHEN i.status = 'Paid' THEN i.datepaid END, o.date) END
    AS activated_at,
  CASE WHEN o.status IN ('Cancelled', 'Fraud') THEN o.date END AS cancelled_at
FROM tblorders AS o
LEFT JOIN tblclients AS c ON c.id = o.userid
LEFT JOIN tblinvoices AS i ON i.id = o.invoiceid
WHERE o.status <> 'Draft'
