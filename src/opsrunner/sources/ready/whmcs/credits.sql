-- What customers of WHMCS 8 were given as credit; what was used up of it is left out.
-- columns: credit text, customer text, amount number, given_at moment, reason text?
-- entities: reason
-- reason is the description in small letters: write `reward` there for a reward, and nothing else. WHMCS keeps the day
-- and no hour.
SELECT
  CAST(k.id AS CHAR) AS credit,
  CAST(k.clientid AS CHAR) AS customer,
  k.amount AS amount,
  CAST(k.date AS DATETIME) AS given_at,
  NULLIF(LOWER(TRIM(k.description)), '') AS reason
FROM tblcredit AS k
WHERE k.amount > 0
