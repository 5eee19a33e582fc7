-- The customers of WHMCS 8, of whatever status.
-- columns: customer text, name text?, email text?, since date?, status text
-- columns: weight number, language text?
-- entities: name
-- What is known of the tables comes from dumps and modules that others published; docs/sources.md says more.
-- A closed account stays in the list, so that nobody disappears from a count without a word.
SELECT
  CAST(c.id AS CHAR) AS customer,
  COALESCE(NULLIF(TRIM(c.companyname), ''), NULLIF(TRIM(CONCAT(c.firstname, ' ', c.lastname)), '')) AS name,
  NULLIF(TRIM(c.email), '') AS email,
  c.datecreated AS since,
  LOWER(c.status) AS status,
  1 AS weight,
  NULLIF(c.language, '') AS language
FROM tblclients AS c
